"""What other programs call the options of this one."""

_RATES = tuple(f"model.init_args.optimizer_{player}.init_args.lr" for player in "gd")
_BETAS = tuple(f"model.init_args.optimizer_{player}.init_args.betas" for player in "gd")
_DECAYS = tuple(f"model.init_args.optimizer_{player}.init_args.weight_decay" for player in "gd")
_CLIPS = ("model.init_args.clip_g", "model.init_args.clip_d")
_STEPS = "model.init_args.coordination lit_gan.coordination.FixedSteps --model.init_args.coordination.init_args"

# The option, or the options that belong together -> what it is called elsewhere.
_CALLED: dict[tuple[str, ...], str] = {
    _RATES: "lr learning_rate learningrate base_lr",
    (_RATES[0],): "lr_g g_lr glr lrg lr_generator",
    (_RATES[1],): "lr_d d_lr dlr lrd lr_discriminator",
    _BETAS: "beta beta1 beta2 b1 b2 betas adam_beta1 adam_beta2",
    _DECAYS: "weight_decay wd",
    _CLIPS: "clip grad_clip clip_grad gradient_clip gradient_clip_val max_grad_norm clip_grad_norm",
    ("model.init_args.generator",): "generator netG g_model",
    ("model.init_args.discriminator",): "discriminator netD d_model critic",
    ("model.init_args.generator.init_args.latent_size",): "latent_size latent_dim z_dim zdim nz dim_z noise_dim z_size",
    ("model.init_args.objective",): "loss objective gan_mode gan_loss gan_type loss_type adv_loss criterion",
    (f"{_STEPS}.k",): "k n_critic ncritic d_steps n_dis critic_iters disc_steps num_d_steps",
    (f"{_STEPS}.micro_batches",): "micro_batches accumulate accumulate_grad_batches gradient_accumulation_steps accum",
    ("data.init_args.batch_size",): "batch_size batch bs batchsize bsize train_batch_size",
    ("data.init_args.root",): "root data_dir dataroot data_root datadir dataset_dir data_path dataset_path path",
    ("data.init_args.image_size",): "image_size img_size imsize imagesize resolution size",
    ("data",): "dataset datamodule data_module",
    ("trainer.max_epochs",): "epochs epoch max_epochs n_epochs num_epochs nepochs niter",
    ("trainer.max_steps",): "steps max_steps n_steps num_steps iters iterations max_iter max_iters total_steps rounds",
    ("trainer.devices",): "gpus gpu devices device ngpu num_gpus n_gpu gpu_ids num_devices nproc_per_node",
    ("trainer.accelerator",): "cuda cpu accelerator use_cuda no_cuda",
    ("trainer.num_nodes",): "nodes num_nodes nnodes",
    ("trainer.precision",): "precision fp16 bf16 amp mixed_precision half",
    ("trainer.strategy",): "ddp strategy distributed",
    ("trainer.log_every_n_steps",): "log_every log_interval log_freq print_every print_freq",
    ("trainer.check_val_every_n_epoch",): "val_every eval_every eval_interval val_interval",
    ("trainer.profiler",): "profile profiler",
    ("trainer.fast_dev_run",): "debug dry_run smoke fast_dev_run",
    ("checkpoint.every_n_epochs",): "save_every save_interval save_freq checkpoint_every ckpt_every",
    ("sample_grid.every_n_rounds",): "sample_every sample_interval sample_freq",
    ("seed_everything",): "seed manual_seed manualSeed random_seed rng_seed",
    ("run_dir",): "output out out_dir outdir output_dir outf save_dir log_dir logdir workdir work_dir exp_dir name",
    ("resume",): "continue resume_from resume_from_checkpoint continue_train",
    ("ckpt_path",): "ckpt checkpoint_path pretrained load weights init_from",
    ("num_threads",): "threads num_threads",
    ("wandb",): "use_wandb wandb_mode no_wandb",
    ("config",): "cfg conf config_file config_path",
}


def usually_called(name: str) -> tuple[str, ...]:
    """The options that are elsewhere called by a name.

    Example:
        >>> usually_called("batch-size")
        ('data.init_args.batch_size',)
    """
    plain = name.replace("-", "_").lower()
    return next((options for options, names in _CALLED.items() if plain in names.lower().split()), ())

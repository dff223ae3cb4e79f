# lit-gan in a container; how to build and run it: docs/how-to/container.md.

# `python@sha256:...` fixes it to the byte, and a site's own registry has a name of its own: both by build argument.
ARG PYTHON_IMAGE=python:3.13-slim-trixie

FROM ${PYTHON_IMAGE} AS dependencies
# CPU wheels. With https://download.pytorch.org/whl/cu130 the image has CUDA, and many times the size.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv --without-pip /opt/lit-gan
COPY constraints.txt ./
# PyTorch's index is asked for these two and nothing else: every package has one source. The constraint `torch==X` holds
# for its builds `X+cpu` and `X+cu130` alike.
RUN --mount=type=cache,target=/root/.cache/pip \
    grep -E '^torch(vision)?==' constraints.txt > torch.txt \
    && pip --python /opt/lit-gan install --no-deps --index-url "${TORCH_INDEX}" -r torch.txt
# The dependencies without the package: this layer stays as it is when only our own code has changed.
COPY pyproject.toml ./
RUN --mount=type=cache,target=/root/.cache/pip \
    python -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
print(*project['dependencies'], *project['optional-dependencies']['sweep'], sep='\n')" > requirements.txt \
    && pip --python /opt/lit-gan install -c constraints.txt -r requirements.txt

FROM ${PYTHON_IMAGE} AS wheel
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY constraints.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install -c constraints.txt hatchling
COPY pyproject.toml README.md LICENSE ./
COPY lit_gan lit_gan
COPY configs configs
COPY sweeps sweeps
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="lit-gan" \
      org.opencontainers.image.description="Generative adversarial networks on PyTorch Lightning" \
      org.opencontainers.image.version="0.2.0" \
      org.opencontainers.image.licenses="Apache-2.0"
# The kernel keeps signals from a process 1 that has no handler for them, and lit-gan has handlers only while it trains:
# `docker stop` would be ignored before. Under tini it is not process 1; tini also reaps what workers leave behind.
# Debian keeps one version per release, so that a pinned one would soon be gone.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/*
COPY --from=dependencies /opt/lit-gan /opt/lit-gan
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip --python /opt/lit-gan install --no-cache-dir --no-index --no-deps /wheels/*.whl \
    && pip --python /opt/lit-gan check
# Whoever runs it (`--user 1234:1234`) can write the folder of the runs, and the home where matplotlib, torch and W&B keep
# their settings and caches.
RUN useradd --uid 1000 --create-home lit-gan \
    && install --directory --owner=lit-gan --group=lit-gan /workspace \
    && chmod 1777 /home/lit-gan /workspace
ENV PATH=/opt/lit-gan/bin:${PATH} \
    HOME=/home/lit-gan \
    PYTHONUNBUFFERED=1
# By number, since Kubernetes' runAsNonRoot cannot tell who a name is.
USER 1000:1000
WORKDIR /workspace
HEALTHCHECK --interval=60s --timeout=10s CMD ["lit-gan", "--version"]
# -s: where tini is not process 1 (apptainer, `docker run --init`), it reaps all the same, and does not complain.
ENTRYPOINT ["tini", "-s", "--", "lit-gan"]
CMD ["--help"]

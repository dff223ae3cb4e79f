# lit-gan in a container: `docker build -t lit-gan . && docker run --rm -v "$PWD/runs:/app/runs" lit-gan fit --config quickstart`

FROM python:3.13-slim AS build
WORKDIR /src
RUN pip install --no-cache-dir build
COPY pyproject.toml README.md LICENSE ./
COPY lit_gan lit_gan
COPY configs configs
COPY sweeps sweeps
RUN python -m build --wheel --outdir /wheels

FROM python:3.13-slim
# Given PyTorch's index of CPU wheels, pip makes an image without CUDA, a fifth of the size.
ARG PIP_EXTRA_INDEX_URL=""
COPY --from=build /wheels /wheels
RUN PIP_EXTRA_INDEX_URL="$PIP_EXTRA_INDEX_URL" pip install --no-cache-dir /wheels/*.whl && rm -r /wheels
# A user of its own, who owns the folder that the runs go to.
RUN useradd --create-home --uid 1000 lit-gan && mkdir -p /app/runs && chown -R lit-gan:lit-gan /app
USER lit-gan
WORKDIR /app
ENV PYTHONUNBUFFERED=1 MPLCONFIGDIR=/tmp/matplotlib
HEALTHCHECK --interval=60s --timeout=10s CMD ["lit-gan", "--version"]
ENTRYPOINT ["lit-gan"]
CMD ["--help"]

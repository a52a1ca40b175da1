# The ground that the diffusion and the detection image stand on, so that both share one torch.
ARG BASE=python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

FROM ${BASE}
RUN --mount=type=bind,source=requirements.lock,target=/build/requirements.lock \
    --mount=type=bind,source=images/install,target=/build/install \
    --mount=type=bind,source=images/torch.txt,target=/build/torch.txt \
    --mount=type=secret,id=pip \
    --mount=type=secret,id=ca \
    --mount=type=cache,target=/root/.cache/pip \
    /build/install /build/torch.txt
# As in data.Dockerfile; what torch compiles or downloads would also go below /tmp.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/opt/defectory \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    USER=defectory \
    HF_HUB_DISABLE_TELEMETRY=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /opt/defectory
USER 65532:0

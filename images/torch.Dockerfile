# The ground that the diffusion and the detection image stand on, so that both share one torch. It
# has no labels of its own: it holds none of the project's code, is the same for many commits, and
# is given to nobody but in those two, which say what they are.
ARG BASE=python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

FROM ${BASE} AS uv
ARG UV=0.13.9
RUN --mount=type=bind,source=images/index,target=/build/index \
    --mount=type=secret,id=pip \
    --mount=type=secret,id=ca \
    . /build/index && python3 -m pip install --quiet --no-cache-dir --target /uv "uv==$UV"

FROM uv AS list
RUN --mount=type=bind,source=images/index,target=/build/index \
    --mount=type=bind,source=images/resolve,target=/build/resolve \
    --mount=type=bind,source=requirements.lock,target=/build/requirements.lock \
    --mount=type=bind,source=images/torch.txt,target=/build/torch.txt \
    --mount=type=secret,id=pip \
    --mount=type=secret,id=ca \
    /build/resolve /build/torch.txt

FROM ${BASE}
RUN --mount=type=bind,from=uv,source=/uv,target=/uv \
    --mount=type=bind,from=list,source=/resolved,target=/resolved \
    --mount=type=bind,source=images/index,target=/build/index \
    --mount=type=bind,source=images/install,target=/build/install \
    --mount=type=secret,id=pip \
    --mount=type=secret,id=ca \
    --mount=type=cache,target=/root/.cache/uv \
    /build/install
# As in data.Dockerfile. Graphics cards are seen wherever the engine offers them; GKE's nodes mount
# the driver where no loader looks by itself.
ENV PATH=/opt/venv/bin:$PATH:/usr/local/nvidia/bin \
    LD_LIBRARY_PATH=/usr/local/nvidia/lib64 \
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

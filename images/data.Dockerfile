# Data, evaluation and report; and the project itself, which the other images take from here.
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
    --mount=type=bind,source=images/data.txt,target=/build/data.txt \
    --mount=type=secret,id=pip \
    --mount=type=secret,id=ca \
    /build/resolve /build/data.txt

FROM ${BASE} AS packages
RUN --mount=type=bind,from=uv,source=/uv,target=/uv \
    --mount=type=bind,from=list,source=/resolved,target=/resolved \
    --mount=type=bind,source=images/index,target=/build/index \
    --mount=type=bind,source=images/install,target=/build/install \
    --mount=type=secret,id=pip \
    --mount=type=secret,id=ca \
    --mount=type=cache,target=/root/.cache/uv \
    /build/install
# Any user may run it, without an entry in /etc/passwd, on a root file system that cannot be
# written: nothing but /tmp ever is.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/opt/defectory \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    USER=defectory \
    GIT_PYTHON_REFRESH=quiet \
    HF_HUB_DISABLE_TELEMETRY=1
WORKDIR /opt/defectory
USER 65532:0

FROM packages AS project
USER 0
COPY . .
# The sample photos and the embedded model leave DVC's store: a task has no network to count on.
# Files have the modes of the checkout, in which a strict umask lets nobody but its owner read.
RUN python images/materialise.py && rm -r images requirements.lock && python -m compileall -q . \
    && chmod -R u=rwX,go=rX .

FROM packages
COPY --from=project /opt/defectory /opt/defectory
ARG SOURCE=""
ARG REVISION=unknown
ARG VERSION=unknown
# Steps tell it to MLflow.
ENV DEFECTORY_GIT_REVISION=$REVISION
LABEL org.opencontainers.image.title="defectory data" \
      org.opencontainers.image.source=$SOURCE \
      org.opencontainers.image.revision=$REVISION \
      org.opencontainers.image.version=$VERSION

# shellcheck shell=bash
# What infra/kind/up and infra/minikube/up do alike once there is a cluster: KFP, MLflow, the pipeline.
# Sourced, not run. The script that sources it sets `context` (of kubectl) and `node` (the container that
# is the node).
# shellcheck source=settings.sh
. "$(dirname "${BASH_SOURCE[0]}")/settings.sh"
# shellcheck source=needs.sh
. "$infra/lib/needs.sh"
# shellcheck source=wait.sh
. "$infra/lib/wait.sh"
# shellcheck source=images.sh
. "$infra/lib/images.sh"
# shellcheck source=cluster.sh
. "$infra/lib/cluster.sh"
# shellcheck source=load.sh
. "$infra/lib/load.sh"

# changes_key: a number for all that makes what is rendered differ from KFP's own manifests.
changes_key() { (cd "$infra/kfp" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 cksum | cksum | cut -d' ' -f1); }

install_kfp() {
  local folder=$KFP_RENDERED renewed
  if [ -z "$folder" ]; then
    folder=$infra/.kfp/$KFP_VERSION-${KFP_COMMIT:0:12}-${ARGO_COMMIT:0:12}-$(changes_key)
    if [ ! -f "$folder/kfp.yaml" ]; then
      rm -rf "$folder.part"
      "$infra/kfp/render" "$folder.part"
      mv "$folder.part" "$folder"
    fi
  fi
  [ -f "$folder/kfp.yaml" ] || fail "KFP_RENDERED: there is no $folder/kfp.yaml; infra/kfp/render writes it"
  grep -q 'name: defectory-mysql' "$folder/kfp.yaml" ||
    say "KFP_RENDERED: $folder was rendered before infra/kfp/changes had all that it has now: render it anew"

  apply "KFP's custom resources" <"$folder/cluster-scoped.yaml"
  wait_for "KFP's custom resources" 120 unestablished

  # KFP's manifests bring its object store's key along, the same for everybody: ours is made here.
  secret kubeflow mlpipeline-minio-artifact accesskey=20 secretkey=40
  renewed=$(renewal "$folder/kfp.yaml" kubeflow mlpipeline-minio-artifact)
  mkdir -p "$scratch/kfp"
  cp "$folder/kfp.yaml" "$scratch/kfp"
  # The clock is on the pod as well, which reads it at its start only.
  cat >"$scratch/kfp/kustomization.yaml" <<YAML
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [kfp.yaml]
patches:
- patch: |
    {apiVersion: v1, kind: Secret, metadata: {name: mlpipeline-minio-artifact, namespace: kubeflow}, \$patch: delete}
- patch: |
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: pipeline-install-config, namespace: kubeflow}
    data: {cronScheduleTimezone: "$KFP_TIME_ZONE"}
- patch: |
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: ml-pipeline-scheduledworkflow, namespace: kubeflow}
    spec: {template: {metadata: {annotations: {defectory.dev/time-zone: "$KFP_TIME_ZONE"}}}}
$renewed
YAML
  kubectl kustomize "$scratch/kfp" | rewrite_images | apply "KFP $KFP_VERSION"
  wait_for "KFP's deployments" 1200 unavailable kubeflow deployments
}

# weed COMMAND: one command for KFP's object store, where its shell reads it, not on a command line.
weed() { inside kubeflow deployment/seaweedfs /usr/bin/weed shell 2>/dev/null <<<"$1"; }

# MLflow's own bucket, and a user that may do nothing but read and write there.
object_store() {
  local identity
  identity=$(secret_value defectory mlflow-object-store AWS_ACCESS_KEY_ID)
  if ! weed 's3.bucket.list' | grep -w mlflow >/dev/null; then
    weed 's3.bucket.create -name mlflow' >/dev/null || true
  fi
  if ! weed 's3.configure' | grep -F "$identity" >/dev/null; then
    weed "s3.configure -user mlflow -access_key $identity -secret_key $(secret_value defectory mlflow-object-store AWS_SECRET_ACCESS_KEY) -buckets mlflow -actions Read,Write,List,Tagging -apply" >/dev/null || true
  fi
}
no_object_store() {
  object_store
  weed 's3.bucket.list' | grep -w mlflow >/dev/null || echo 'the bucket mlflow'
  weed 's3.configure' | grep -F "$(secret_value defectory mlflow-object-store AWS_ACCESS_KEY_ID)" >/dev/null || echo 'the user mlflow'
}

# PostgreSQL takes its password from the Secret only when its volume is empty: a Secret that was made
# anew for a volume that is there says another one. The database then gets that of the Secret, over
# its socket, which asks for none; and MLflow, which may still run with the old one, starts anew.
# In both commands the password is what the pod reads, never an argument.
# shellcheck disable=SC2016
database_password() {
  local password quote="'"
  password=$(secret_value defectory mlflow-database password)
  if inside defectory statefulset/postgres sh -c 'IFS= read -r PGPASSWORD && export PGPASSWORD && exec psql -qAtw -h 127.0.0.1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "select 1"' >/dev/null 2>&1 <<<"$password"; then
    return
  fi
  say "MLflow's database has another password than the Secret mlflow-database: it gets that one"
  inside defectory statefulset/postgres sh -c 'exec psql -qw -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB"' \
    >/dev/null 2>"$scratch/psql" <<<"alter role current_user password '${password//$quote/$quote$quote}';" ||
    fail "MLflow's database does not take the password of the Secret mlflow-database: put the old one into that, or delete the claim data-postgres-0, and all that MLflow knows with it; the database says: $(head -n 1 "$scratch/psql")"
  k -n defectory rollout restart deployment/mlflow >/dev/null
}

# install_ours OVERLAY
install_ours() {
  local renewed
  if [ -z "$(k get namespace defectory --ignore-not-found -o name)" ]; then
    k create namespace defectory >/dev/null
  fi
  secret defectory mlflow-database password=32
  secret defectory mlflow-object-store AWS_ACCESS_KEY_ID=20 AWS_SECRET_ACCESS_KEY=40
  wait_for "a bucket for MLflow" 180 no_object_store
  mkdir -p "$scratch/ours"
  RENDER_SETTINGS="DEFECTORY_UI_URL=http://localhost:$UI_PORT" "$infra/render" "$1" >"$scratch/ours/ours.yaml"
  renewed=$(renewal "$scratch/ours/ours.yaml" defectory mlflow-object-store)
  cat >"$scratch/ours/kustomization.yaml" <<YAML
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [ours.yaml]
patches:
$renewed
YAML
  kubectl kustomize "$scratch/ours" | apply "the overlay $1"
  wait_for "MLflow's database" 600 unavailable defectory statefulsets
  database_password
  wait_for "MLflow" 600 unavailable defectory deployments
  wait_for "claims" 30 lost_claims
}

silent() { curl -fsS -o /dev/null --max-time 10 "$1" 2>/dev/null || echo "$1"; }

# upload PROFILE
upload() {
  wait_for "KFP at http://localhost:$UI_PORT" 300 silent "http://localhost:$UI_PORT/apis/v2beta1/healthz"
  wait_for "MLflow at http://localhost:$MLFLOW_PORT" 120 silent "http://localhost:$MLFLOW_PORT/health"
  within "uploads the pipeline" 900 \
    "$defectory" deploy --profile "$1" --dirty --endpoint "http://localhost:$UI_PORT"
}

# addresses CLUSTER: what there is now, and how it is used and removed.
addresses() {
  local clock=''
  # KFP tells its clock to nobody.
  [ "$KFP_TIME_ZONE" = UTC ] || clock="    export DEFECTORY_SERVER_TIME_ZONE=$KFP_TIME_ZONE"$'\n'
  cat <<TEXT

KFP      http://localhost:$UI_PORT
MLflow   http://localhost:$MLFLOW_PORT

    export KF_PIPELINES_ENDPOINT=http://localhost:$UI_PORT
$clock    defectory submit --wait

kubectl's context is $context; infra/$1/down removes everything.
TEXT
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

#!/usr/bin/env bash
# Train on a SLURM cluster, one process a GPU:
#   GPUS=8 GPUS_PER_NODE=4 tools/slurm_train.sh PARTITION JOB_NAME CONFIG [options of train.py]
# CPUS_PER_TASK is for the data loaders of a process; SRUN_ARGS are further words for srun.
set -euo pipefail

usage="usage: $0 PARTITION JOB_NAME CONFIG [options of train.py]"
gpus=${GPUS:-4}
per_node=${GPUS_PER_NODE:-$((gpus < 4 ? gpus : 4))}

# shellcheck disable=SC2086  # SRUN_ARGS is several words
exec srun --partition "${1:?$usage}" --job-name "${2:?$usage}" \
    --ntasks "$gpus" --ntasks-per-node "$per_node" --gres "gpu:$per_node" \
    --cpus-per-task "${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
    "${PYTHON:-python}" -u "$(dirname "$0")/train.py" "${3:?$usage}" --launcher slurm "${@:4}"

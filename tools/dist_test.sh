#!/usr/bin/env bash
# Evaluate with several processes:
#   tools/dist_test.sh CONFIG CHECKPOINT PROCESSES [options of test.py]
# GPUs, CPU processes and several machines as in dist_train.sh.
set -euo pipefail

exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes "${NNODES:-1}" --node-rank "${NODE_RANK:-0}" \
    --master-addr "${MASTER_ADDR:-127.0.0.1}" --master-port "${PORT:-29500}" \
    --nproc-per-node "${3:?usage: $0 CONFIG CHECKPOINT PROCESSES [options of test.py]}" \
    "$(dirname "$0")/test.py" "$1" "$2" --launcher pytorch "${@:4}"

#!/usr/bin/env bash
# Train with several processes:  tools/dist_train.sh CONFIG PROCESSES [options of train.py]
# One GPU a process; where there is none, CPU processes. For several machines, run it on each with
# NNODES, NODE_RANK, MASTER_ADDR and PORT set; PROCESSES are those of one machine.
set -euo pipefail

exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes "${NNODES:-1}" --node-rank "${NODE_RANK:-0}" \
    --master-addr "${MASTER_ADDR:-127.0.0.1}" --master-port "${PORT:-29500}" \
    --nproc-per-node "${2:?usage: $0 CONFIG PROCESSES [options of train.py]}" \
    "$(dirname "$0")/train.py" "$1" --launcher pytorch "${@:3}"

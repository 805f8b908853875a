"""Prefixes and environment variables that several layers share."""

HUB = 'hub:'  # what the name of published weights begins with where a checkpoint is expected
TRACEBACK_VARIABLE = 'MMSEG_EFF_TRACEBACK'  # set in the environment: errors keep their traceback

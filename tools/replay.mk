# SPDX-License-Identifier: MIT
programs += dseek-replay
dseek-replay-src := tools/dseek-replay.c tools/replay_run.c

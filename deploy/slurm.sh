#!/bin/bash
# Trains with one worker a task on the nodes that Slurm gives:
#   sbatch --nodes=2 --ntasks-per-node=4 --gpus-per-task=1 deploy/slurm.sh digits --recipe digits_resnet20 --workdir runs/digits
# All words go to `kres train`. The workdir must lie on storage that all nodes share. Submit the same line again to go on.
#SBATCH --job-name=kres
#SBATCH --output=kres-%j.log
#SBATCH --distribution=block
# Slurm tells the tasks of the end of their time, or of a preemption, so that they save.
#SBATCH --signal=TERM@120
# A preempted job, or one that lost a node, is queued again and goes on from its last checkpoint.
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

# kres finds its place from what srun sets for each task. When a task fails, Slurm ends the others.
exec srun --label --kill-on-bad-exit=1 kres train "$@" --resume

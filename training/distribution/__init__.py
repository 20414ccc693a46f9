"""Where a run computes: its strategy, its place among the workers, and what the workers owe one another."""

from kres.training.distribution.cluster import Cluster, find_cluster
from kres.training.distribution.meeting import WorkerLost
from kres.training.distribution.peers import (
    any_worker,
    explain,
    gather_text,
    leave_together,
    lost_workers_told,
    require_same,
    sum_over_workers,
)
from kres.training.distribution.strategies import STRATEGIES, Place, choose, place

__all__ = [
    "STRATEGIES",
    "Cluster",
    "Place",
    "WorkerLost",
    "any_worker",
    "choose",
    "explain",
    "find_cluster",
    "gather_text",
    "leave_together",
    "lost_workers_told",
    "place",
    "require_same",
    "sum_over_workers",
]

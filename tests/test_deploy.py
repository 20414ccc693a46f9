"""What deploy/ holds works as far as that shows without a cluster."""

import inspect
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import yaml  # type: ignore[import-untyped]

import kres.training
from kres.training.distribution import find_cluster
from tests.test_docs import faults

DEPLOY = Path(__file__).parents[1] / "deploy"

# Slurm in small: starts a step of two tasks on this node, with what it tells them.
SRUN = """#!{python}
import os, subprocess, sys
words = sys.argv[1:]
while words[0].startswith("--"):
    words.pop(0)
step = {{
    "SLURM_STEP_NODELIST": "localhost", "SLURM_STEP_TASKS_PER_NODE": "2", "SLURM_STEP_NUM_TASKS": "2",
    "SLURM_DISTRIBUTION": "block", "SLURM_JOB_ID": str(os.getpid()),
}}
tasks = [subprocess.Popen(words, env={{**os.environ, **step, "SLURM_PROCID": str(n)}}) for n in range(2)]
sys.exit(max(task.wait() for task in tasks))
"""
# A worker that goes no further than its place among the others.
KRES = """#!{python}
import sys
sys.path.append({root!r})
from kres.training.distribution import choose, gather_text, leave_together, place
strategy = choose("auto")
texts = gather_text("-".join(sys.argv[1:]), strategy)
sys.stdout.write(" ".join([str(place(strategy).worker), *texts]) + chr(10))
sys.stdout.flush()
leave_together(strategy)
"""


def program(path, text):
    path.write_text(text.format(python=sys.executable, root=str(DEPLOY.parent)))
    path.chmod(0o755)


def test_the_slurm_script_starts_workers_that_meet(tmp_path):
    program(tmp_path / "srun", SRUN)
    program(tmp_path / "kres", KRES)
    done = subprocess.run(
        ["bash", DEPLOY / "slurm.sh", "digits_resnet20", "--workdir", "run"],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    words = "train-digits_resnet20---workdir-run---resume"
    assert sorted(done.stdout.splitlines()) == [f"0 {words} {words}", f"1 {words} {words}"]


def test_the_slurm_script_passes_an_error_on(tmp_path):
    program(tmp_path / "srun", "#!/bin/sh\nexit 143\n")
    done = subprocess.run(
        ["bash", DEPLOY / "slurm.sh"], env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}, check=False
    )
    assert done.returncode == 143


def test_the_commands_in_the_comments_and_scripts_are_real():
    texts = [path.read_text() for path in DEPLOY.iterdir() if path.is_file()]
    lines = [line for text in texts for line in re.findall(r"kres train [^\n`]*", text)]
    assert lines
    assert not [fault for line in lines for fault in faults(line.replace('"$@"', "").split())]


# Fields of kubeflow.org/v1 TFJob and of its run policy and replicas.
TFJOB = {"runPolicy", "successPolicy", "tfReplicaSpecs", "enableDynamicWorker"}
RUN_POLICY = {
    "cleanPodPolicy", "ttlSecondsAfterFinished", "activeDeadlineSeconds", "backoffLimit", "schedulingPolicy", "suspend",
}  # fmt: skip
REPLICA = {"replicas", "template", "restartPolicy"}


def test_the_kubernetes_manifest_is_one_the_operator_takes():
    claim, job = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    assert (claim["apiVersion"], claim["kind"]) == ("v1", "PersistentVolumeClaim")
    assert (job["apiVersion"], job["kind"]) == ("kubeflow.org/v1", "TFJob")
    spec = job["spec"]
    assert set(spec) <= TFJOB and set(spec["runPolicy"]) <= RUN_POLICY
    assert set(spec["tfReplicaSpecs"]) == {"Worker"}  # the one role that kres has
    worker = spec["tfReplicaSpecs"]["Worker"]
    assert set(worker) <= REPLICA and worker["restartPolicy"] == "ExitCode"
    pod = worker["template"]["spec"]
    [container] = pod["containers"]
    assert container["name"] == "tensorflow" and container["ports"][0]["name"] == "tfjob-port"
    assert not faults(container["command"] + container["args"])
    [volume], [mount] = pod["volumes"], container["volumeMounts"]
    assert volume["name"] == mount["name"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    [variable] = container["env"]
    assert variable["name"] == "XDG_CACHE_HOME" and variable["value"].startswith(mount["mountPath"])
    assert container["args"][container["args"].index("--workdir") + 1].startswith(mount["mountPath"])


def test_what_the_operator_tells_its_pods_is_understood():
    told = (
        '{"cluster":{"worker":["kres-worker-0.default.svc:2222","kres-worker-1.default.svc:2222"]},'
        '"task":{"type":"worker","index":1},"environment":"cloud"}'
    )
    cluster = find_cluster({"TF_CONFIG": told})
    assert cluster is not None and cluster.address == "kres-worker-1.default.svc:2222"


def test_the_ray_entry_calls_fit(monkeypatch):
    asked, reported = [], []

    class Trainer:
        """Stands in for Ray's: one worker, in this process."""

        def __init__(self, loop, *, train_loop_config, scaling_config, run_config):
            self.run = lambda: loop(train_loop_config)
            asked.append((scaling_config, run_config))

        def fit(self):
            self.run()

    def fit(*arguments, **options):
        signature = inspect.signature(real)
        signature.bind(*arguments, **options)
        asked.append(options)
        return SimpleNamespace(accuracy=0.5, steps=7)

    real = kres.training.fit
    ray, train, tensorflow = (ModuleType(name) for name in ("ray", "ray.train", "ray.train.tensorflow"))
    ray.train, train.tensorflow, tensorflow.TensorflowTrainer = train, tensorflow, Trainer
    train.FailureConfig = train.RunConfig = train.ScalingConfig = lambda **fields: fields
    train.report = reported.append
    for module in (ray, train, tensorflow):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(kres.training, "fit", fit)
    runpy.run_path(str(DEPLOY / "ray_train.py"))["main"](
        ["digits_resnet20", "--data", "digits", "--workdir", "w", "--workers", "3"]
    )
    (scaling, run), options = asked
    assert scaling == {"num_workers": 3, "use_gpu": False} and run == {"failure_config": {"max_failures": 3}}
    assert options == {
        "recipe": "digits_resnet20",
        "data": "digits",
        "workdir": "w",
        "strategy": "auto",
        "resume": True,
    }
    assert reported == [{"accuracy": 0.5, "steps": 7}]

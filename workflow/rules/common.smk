"""What the rules share: the checked configuration, the tiles there are, their batches, and small helpers."""

import functools
import gc
import json
import os
import shlex
import sys
from pathlib import Path

from snakemake.logging import logger

# Planning makes millions of objects that stay. Looking through them for garbage at every turn takes a quarter of the time.
gc.set_threshold(10_000_000)

PROJECT_ROOT = Path(workflow.basedir)
sys.path.insert(0, str(PROJECT_ROOT / "workflow" / "scripts"))

from eaves import IN_RUN
from eaves.core import config as configuration
from eaves.core.errors import InputError
from eaves.models.folder import find_models
from eaves.tiles import discovery, generated
from eaves.tiles.batches import assign_batches
from eaves.training import fold_cache
from eaves.workflow import code_hash, main_process, stale_lock
from eaves.workflow.job_environment import JOB_ENVIRONMENT

# Whether results lie in an object store, and jobs are given copies of what they read.
IN_STORE = workflow.storage_settings.default_storage_provider is not None

os.environ.update(
    # Trained folds are kept there, for every checkout and setting. With an object store, jobs share no folder.
    EAVES_FOLD_CACHE=str(fold_cache.default_folder(shared=not IN_STORE) or "none"),
    # Rules call `python`: the one that runs Snakemake, also where its environment was not activated.
    PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
    # Jobs share a terminal: each of their lines there names the job.
    **{IN_RUN: "1"},
    # Where the scripts are, for the rules' commands; the working folder may be another (snakemake --directory).
    SCRIPTS=os.path.relpath(PROJECT_ROOT / "workflow" / "scripts"),
)
# Jobs' own processes keep to what Snakemake does.
INTERRUPTS = main_process.install(logger) if workflow.is_main_process else None
# What was given by --config came as text.
config.update(configuration.laid_over(config, configuration.with_types(workflow.config_settings.config)))
# A run that was killed is taken up by the next one, without `snakemake --unlock`.
stale_lock.remove_if_stale(Path(".snakemake"))
for _name, _value in JOB_ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)
# A system's PROJ and GDAL folders, named in the environment, break the ones inside the wheels.
for _name in ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA"):
    os.environ.pop(_name, None)


def raw_folder(set_name):
    """Where the raw files of a set, `train` or `test`, are: generated ones, or the user's folder."""
    return Path("results/scenes") / set_name if config["scenes"] else Path(config["tiles"][set_name])


def tiles_of(set_name):
    """The raw files of each tile of a set, `train` or `test`: generated ones, or what is in the user's folder."""
    if config["scenes"]:
        return generated.planned(raw_folder(set_name), set_name, config["scenes"][set_name])
    return discovery.find(raw_folder(set_name), truth_needed=set_name == "train")


def check_everything():
    """Checks configuration and tiles before the DAG is built; every fault is one line."""
    configuration.check(config)
    if config["models"]:
        check_no_training_here()
        return {"test": tiles_of("test")}
    found = {set_name: tiles_of(set_name) for set_name in ("train", "test")}
    discovery.check_distinct(found["train"], found["test"])
    discovery.check_enough(len(found["train"]), config["split"]["folds"])
    return found


def check_no_training_here():
    """Refuses to lay the results of an application over those of a training run."""
    if Path("results/folds/folds.csv").exists():
        raise InputError(
            "results: a training run's results are here, and applying models would replace them; apply them into a folder "
            "of its own: make apply MODELS=... TILES=..., or snakemake --directory elsewhere"
        )


def model_files():
    """The models that predict the test tiles: one per fold, or those of the user's folder."""
    if config["models"]:
        return [str(path) for path in find_models(Path(config["models"]))]
    return [f"results/models/fold-{fold}.safetensors" for fold in FOLDS]


try:
    TILES = check_everything()
    FOLDS = list(range(config["split"]["folds"]))
    MODELS = model_files()
except InputError as fault:
    # Not raised any further: Snakemake would say where in this file it was.
    print(*(f"error: {line}" for line in str(fault).splitlines()), sep="\n", file=sys.stderr)
    sys.exit(1)

# Enough to cut the crops for one GPU (a thread cuts 1024 px in milliseconds), and what a GPU's share of a node has.
CLUSTER_THREADS = 4

# How often training saves is no param of a rule: a change would train again.
EVERY = [
    f"--checkpoint-{name} {config['run'][f'checkpoint_{name}']}"
    for name in ("minutes", "steps")
    if config["run"][f"checkpoint_{name}"] is not None
]
os.environ.update(CHECKPOINT_EVERY=" ".join(EVERY))

SETS = sorted(TILES, reverse=True)
# (set, batch) -> tiles; a batch is named like test-0of1.
BATCHES = {
    f"{set_name}-{batch}": members
    for set_name in SETS
    for batch, members in assign_batches(list(TILES[set_name]), config["run"]["tiles_per_job"]).items()
}
NAMES = {set_name: list(TILES[set_name]) for set_name in SETS}
ALL_TILES = [tile for set_name in SETS for tile in NAMES[set_name]]
# A table and not a list, as it is asked about every tile.
WITH_TRUTH = {tile: files.gti for set_name in SETS for tile, files in TILES[set_name].items() if files.gti}


def batches_of(set_name):
    """The batches of one set."""
    return {batch: members for batch, members in BATCHES.items() if batch.startswith(f"{set_name}-")}


def settings(*names):
    """Blocks of the configuration as JSON, for a rule's params: a change in them, and in no others, reruns it.

    A name may also be that of one key of a block, e.g. `score.rules`. `separate.thresholds` is left out: it decides which jobs
    there are, and not what one does.
    """
    chosen = {}
    for name in names:
        block, _, only = name.partition(".")
        keys = [only] if only else [key for key in config[block] if (block, key) != ("separate", "thresholds")]
        chosen.setdefault(block, {}).update({key: config[block][key] for key in keys})
    return json.dumps(chosen, sort_keys=True)


@functools.cache
def code(script):
    """The fingerprint of a script and what it uses, for a rule's params: changed code reruns, a comment doesn't."""
    return code_hash.code_hash(PROJECT_ROOT / "workflow" / "scripts" / script)


def images(tiles):
    """The prepared images of tiles."""
    return [f"results/tiles/{tile}_image.tif" for tile in tiles]


def truths(tiles):
    """The prepared truth of tiles, of those that have some."""
    return [f"results/tiles/{tile}_truth.tif" for tile in tiles if tile in WITH_TRUTH]


def for_training():
    """What stands for the training tiles where they are trained on: the tables of their batches, which hold their hashes.

    With an object store, a job is given copies of its inputs, so that there it is the tiles, too. On a shared disk it is
    the tables alone: each of the ten training jobs would list all tiles, half of the time of planning.
    """
    tables = [f"results/tiles/batches/{batch}.csv" for batch in batches_of("train")]
    return tables + IN_STORE * (images(NAMES["train"]) + truths(NAMES["train"]))


def tiles_folder(wildcards, input):
    """The folder of the prepared tiles, where a job that has `for_training` as its tiles finds it."""
    return os.path.dirname(os.path.dirname(input.tiles[0]))


def thresholds():
    """The tuned thresholds, where they are used: an input of what separates or tells by which values."""
    return ["results/tuning/chosen.json"] if config["separate"]["thresholds"] == "searched" else []


def as_option(option, name):
    """An option of a script with a rule's inputs of one name, where the job has them; nothing where there are none."""

    def given(wildcards, input):
        paths = input.get(name)
        return " ".join([option, *map(shlex.quote, paths)]) if paths else ""

    return given


def raw_files(set_name, tiles):
    """The raw files of tiles as JSON, for a rule's params: kind and path of each, where the job has them."""
    keys = [(tile, path.stem[-3:].lower()) for tile in tiles for path in TILES[set_name][tile].present()]

    def files(wildcards, input):
        found = {tile: {"tile": tile} for tile in tiles}
        for (tile, kind), path in zip(keys, input, strict=True):
            found[tile][kind] = str(path)
        return json.dumps(list(found.values()))

    return files


def folders_of(name=None, none=()):
    """The folders of a rule's inputs, of all or of one name, where the job has them: with an object store, in a copy.

    `none` is what is given where there are no such inputs.
    """

    def folders(wildcards, input):
        paths = input if name is None else input.get(name)
        return list(dict.fromkeys(os.path.dirname(path) for path in paths)) or none

    return folders


def prediction_folders(batch):
    """Where the predictions lie that are merged for a batch: one folder per model, or the out-of-fold ones."""
    if batch.startswith("train-"):
        return ["results/predictions/out-of-fold"]
    return [f"results/predictions/fold-{fold}" for fold in range(len(MODELS))]


def kept_prediction(path):
    """One fold's prediction as an output: temporary where only what is merged of it is kept."""
    return path if config["run"]["keep_predictions"] else temp(path)


def remove_checkpoints():
    """Removes the checkpoints of models that are written; called when a run has ended well."""
    for stage, folder in (("warmup", "warmups"), ("train", "models")):
        for fold in FOLDS:
            if Path(f"results/{folder}/fold-{fold}.safetensors").exists():
                for path in Path("results/checkpoints").glob(f"{stage}-{fold}.pt*"):
                    path.unlink()


def note_start():
    """Takes note that jobs are about to start."""
    if INTERRUPTS:
        INTERRUPTS.running = True


def end_run_with_faults():
    """Says how to go on; called when a run was stopped, or jobs of it failed."""
    if INTERRUPTS and INTERRUPTS.stopped:
        print("stopped: the same command goes on from here", file=sys.stderr)
        sys.exit(main_process.INTERRUPTED)
    print("error: not everything is done: see the errors above; the same command goes on from here", file=sys.stderr)


def share_of_cores(wildcards):
    """Threads of a job that computes on the network: so many that every fold can run at once, within 1..8.

    On few cores, several jobs of one thread finish sooner than one after the other with all of them. On a cluster it is
    a fixed number: the job itself asks again, and sees other cores than the process that sent it.
    """
    if workflow.non_local_exec or workflow.remote_exec:
        return CLUSTER_THREADS
    return min(8, max(1, workflow.cores // len(FOLDS)))


def more_memory(mb):
    """A memory request that grows with every retry."""

    def request(wildcards, attempt):
        return mb * attempt

    return request

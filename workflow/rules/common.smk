"""Shared by all rules: the validated configuration, the tiles, their batches, and input and params functions."""

import functools
import gc
import json
import os
import shlex
import sys
from pathlib import Path

from snakemake.logging import logger
from snakemake.settings.types import DeploymentMethod

# Planning creates millions of long-lived objects; scanning them for garbage repeatedly takes a quarter of its time.
gc.set_threshold(10_000_000)

from eaves.models.folder import find_models
from eaves.tiles import discovery, generated
from eaves.tiles.batches import assign_batches
from eaves.training import fold_cache
from eaves.core import code_hash
from eaves.workflow import linked_inputs, main_process, stale_lock
from eaves.workflow.job_environment import shell_prefix

# Whether results are in an object store, so that jobs get copies of their inputs.
IN_STORE = workflow.storage_settings.default_storage_provider is not None
DEPLOYMENT = workflow.deployment_settings.deployment_method
# The environment of each rule's `conda:`. None without --sdm conda, so that a change of the file reruns nothing.
CONDA_ENVIRONMENT = str(PROJECT_ROOT / "envs" / "environment.yaml") if DeploymentMethod.CONDA in DEPLOYMENT else None

shell.prefix(
    shell_prefix(
        # Relative, because the project may be elsewhere in a container; Snakemake may run in another working folder.
        scripts=os.path.relpath(PROJECT_ROOT / "workflow" / "scripts"),
        # Shared by all checkouts and settings. With an object store, jobs have no folder in common.
        fold_cache=fold_cache.default_folder(shared=not IN_STORE),
        python_folder=None if DEPLOYMENT else Path(sys.executable).parent,
    )
)
linked_inputs.install()
# A Snakemake process that runs within a job keeps Snakemake's own messages.
INTERRUPTS = main_process.install(logger) if workflow.is_main_process else None
# Values given by --config arrive as text.
config.update(configuration.merge(config, configuration.parse_text_values(workflow.config_settings.config)))


def plans_only():
    """Return whether nothing is going to run: with -n, or with --lint and the like, which need no variables either."""
    return workflow.output_settings.dryrun or not workflow.check_envvars


# After a run was killed, the next one resumes without `snakemake --unlock`. Planning does not touch the folder.
if not plans_only():
    stale_lock.remove_if_stale(Path(".snakemake"))


def raw_folder(set_name):
    """Return the folder of the raw files of a set, `train` or `test`: generated ones, or the user's."""
    return Path("results/scenes") / set_name if config["scenes"] else Path(config["tiles"][set_name])


def tiles_of(set_name):
    """Return the raw files of each tile of a set, `train` or `test`: generated ones, or those in the user's folder."""
    if config["scenes"]:
        return generated.plan_tiles(raw_folder(set_name), set_name, config["scenes"][set_name])
    return discovery.find_tiles(raw_folder(set_name), truth_needed=set_name == "train")


def check_everything():
    """Check configuration and tiles before the DAG is built; return the raw files by set and tile.

    Raises:
        InputError: One line per fault.
    """
    configuration.check(config)
    if config["models"]:
        check_no_training_here()
        return {"test": tiles_of("test")}
    found = {set_name: tiles_of(set_name) for set_name in ("train", "test")}
    discovery.check_distinct(found["train"], found["test"])
    discovery.check_enough(len(found["train"]), config["split"]["folds"])
    return found


def check_no_training_here():
    """Refuse to overwrite a training run's results by applying models in the same folder.

    Raises:
        InputError: There are results of training here.
    """
    if Path("results/folds/folds.csv").exists():
        raise InputError(
            "results: holds the results of a training run, which applying models would overwrite; apply them in "
            "another folder: make apply MODELS=... TILES=..., or snakemake --directory elsewhere"
        )


def model_files():
    """Return the models that predict the test tiles: one per fold, or those in the user's folder."""
    if config["models"]:
        return [str(path) for path in find_models(Path(config["models"]))]
    return [f"results/models/fold-{fold}.safetensors" for fold in FOLDS]


try:
    TILES = check_everything()
    FOLDS = list(range(config["split"]["folds"]))
    MODELS = model_files()
except InputError as _error:
    refuse(_error)

# Enough to cut the crops for one GPU (a thread cuts a crop of 1024 px in milliseconds), and a usual number of cores per
# GPU on a cluster's node.
CLUSTER_THREADS = 4

SETS = sorted(TILES, reverse=True)
# (set, batch) -> tiles; a batch is named like test-0of1.
BATCHES = {
    f"{set_name}-{batch}": members
    for set_name in SETS
    for batch, members in assign_batches(list(TILES[set_name]), config["run"]["tiles_per_job"]).items()
}
NAMES = {set_name: list(TILES[set_name]) for set_name in SETS}
ALL_TILES = [tile for set_name in SETS for tile in NAMES[set_name]]
# A dict, because it is looked up for every tile.
WITH_TRUTH = {tile: files.gti for set_name in SETS for tile, files in TILES[set_name].items() if files.gti}


def batches_of(set_name):
    """Return the batches of one set."""
    return {batch: members for batch, members in BATCHES.items() if batch.startswith(f"{set_name}-")}


def settings(*names):
    """Return blocks of the configuration as JSON, for a rule's params: a change of other blocks reruns nothing.

    A name may also be that of one key in a block, e.g. `score.rules`. `separate.thresholds` is left out, because it
    decides which jobs there are, not what a job does.
    """
    chosen = {}
    for name in names:
        block, _, only = name.partition(".")
        keys = [only] if only else [key for key in config[block] if (block, key) != ("separate", "thresholds")]
        chosen.setdefault(block, {}).update({key: config[block][key] for key in keys})
    return json.dumps(chosen, sort_keys=True)


def script_hashes():
    """Return "name hash" of every script, for the params of the rule that writes them."""
    scripts = sorted((PROJECT_ROOT / "workflow" / "scripts").glob("*.py"))
    return [f"{script.stem} {code(script.name)}" for script in scripts]


@functools.cache
def code(script):
    """Return the hash of a script and the code it uses, for a rule's params: changed code reruns, comments don't."""
    return code_hash.code_hash(PROJECT_ROOT / "workflow" / "scripts" / script)


def images(tiles):
    """Return the prepared images of tiles."""
    return [f"results/tiles/{tile}_image.tif" for tile in tiles]


def truths(tiles):
    """Return the prepared truth of those tiles that have one."""
    return [f"results/tiles/{tile}_truth.tif" for tile in tiles if tile in WITH_TRUTH]


def for_training():
    """Return the inputs that represent the training tiles: the tables of their batches, which hold the tiles' hashes.

    With an object store, the tiles themselves are included, because a job gets copies of its inputs only. Otherwise
    they are left out, because listing all tiles in every training job takes half of the planning time.
    """
    tables = [f"results/tiles/batches/{batch}.csv" for batch in batches_of("train")]
    return tables + IN_STORE * (images(NAMES["train"]) + truths(NAMES["train"]))


def tiles_folder(wildcards, input):
    """Return the folder of the prepared tiles, for a job with `for_training` as its input `tiles`."""
    return os.path.dirname(os.path.dirname(input.tiles[0]))


def thresholds():
    """Return the file of the searched thresholds as a list; an empty list if the configured ones are used."""
    return ["results/tuning/chosen.json"] if config["separate"]["thresholds"] == "searched" else []


def as_option(option, name):
    """Return a params function: a script's option with the rule's inputs of one name, or nothing if there are none."""

    def given(wildcards, input):
        paths = input.get(name)
        return " ".join([option, *map(shlex.quote, paths)]) if paths else ""

    return given


def raw_files(set_name, tiles):
    """Return a params function: the raw files of tiles as JSON, with the kind and the job's path of each."""
    keys = [(tile, path.stem[-3:].lower()) for tile in tiles for path in TILES[set_name][tile].present()]

    def files(wildcards, input):
        found = {tile: {"tile": tile} for tile in tiles}
        for (tile, kind), path in zip(keys, input, strict=True):
            found[tile][kind] = str(path)
        return json.dumps(list(found.values()))

    return files


def folders_of(name=None, none=()):
    """Return a params function: the folders of a rule's inputs, all or those of one name, as the job sees them.

    With an object store these are the folders of local copies. `none` is returned if there are no such inputs.
    """

    def folders(wildcards, input):
        paths = input if name is None else input.get(name)
        return list(dict.fromkeys(os.path.dirname(path) for path in paths)) or none

    return folders


def common_folder_of(name):
    """Return a params function: the folder that contains all of a rule's inputs of one name, at any depth."""

    def folder(wildcards, input):
        return os.path.commonpath([os.path.dirname(path) for path in input.get(name)])

    return folder


def fold_number(wildcards):
    """Return the fold that a training job holds out; as a param, it tells the jobs of two folds apart."""
    return int(wildcards.fold)


def weights_file():
    """Return the file of the encoder's initial weights, if the configuration names one, as a list."""
    weights = config["model"]["weights"]
    return [] if weights in ("imagenet", "package", "none") else [weights]


def prediction_folders(batch):
    """Return the folders of the predictions that are merged for a batch: one per model, or the out-of-fold one."""
    if batch.startswith("train-"):
        return ["results/predictions/out-of-fold"]
    return [f"results/predictions/fold-{fold}" for fold in range(len(MODELS))]


def kept_prediction(path):
    """Return one fold's prediction as an output; a temporary one if only the merged probabilities are kept."""
    return path if config["run"]["keep_predictions"] else temp(path)


def remove_checkpoints():
    """Remove the checkpoints of finished models, after a successful run."""
    for stage, folder in (("warmup", "warmups"), ("train", "models")):
        for fold in FOLDS:
            if Path(f"results/{folder}/fold-{fold}.safetensors").exists():
                for path in Path("results/checkpoints").glob(f"{stage}-{fold}.pt*"):
                    path.unlink()


def note_start():
    """Tell the interrupt handler that jobs may be running from now on."""
    if INTERRUPTS:
        INTERRUPTS.running = True


def end_run_with_faults():
    """Print how to resume a run that was stopped or in which jobs failed."""
    if INTERRUPTS and INTERRUPTS.stopped:
        print("stopped: run the same command to resume", file=sys.stderr)
        sys.exit(main_process.INTERRUPTED)
    print("error: the run is incomplete: see the errors above, then run the same command to resume", file=sys.stderr)


def share_of_cores(wildcards):
    """Return the threads of a job that runs a network, 1 to 8, such that all folds can run at once.

    On few cores, several single-threaded jobs at once finish sooner than one after the other with all cores. On a
    cluster the number is fixed, because it is evaluated again within the job, where another number of cores is visible.
    """
    if workflow.non_local_exec or workflow.remote_exec:
        return CLUSTER_THREADS
    return min(8, max(1, workflow.cores // len(FOLDS)))


def more_memory(mb):
    """Return a resource function: a memory request that grows with each attempt."""

    def request(wildcards, attempt):
        return mb * attempt

    return request

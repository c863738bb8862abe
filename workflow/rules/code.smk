"""Code: a hash of each script and the library code it uses, for DVC to compare (dvc.yaml).

out: results/code.json
"""


localrules:
    fingerprints,


rule fingerprints:
    """Hash every script's code."""
    output:
        "results/code.json",
    log:
        "results/logs/fingerprints.log",
    conda:
        CONDA_ENVIRONMENT
    threads: 1
    params:
        scripts=script_hashes(),
    shell:
        'python "$SCRIPTS"/fingerprints.py --output {output:q} --log {log:q}'


rule code:
    """Target: the hashes of the scripts' code."""
    input:
        "results/code.json",

"""Code: a hash of each script and the library code it uses, for DVC to compare (dvc.yaml).

out: results/code.json
"""


localrules:
    code_hashes,


rule code_hashes:
    """Hash every script's code."""
    output:
        "results/code.json",
    log:
        "results/logs/code_hashes.log",
    conda:
        CONDA_ENVIRONMENT
    threads: 1
    params:
        scripts=script_hashes(),
    shell:
        'python "$SCRIPTS"/code_hashes.py --output {output:q} --log {log:q}'


rule code:
    """Target: the hashes of the scripts' code."""
    input:
        "results/code.json",

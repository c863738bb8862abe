"""Code: the fingerprint of each script with all that it uses, for DVC to compare (dvc.yaml).

out: results/code.json
"""


localrules:
    fingerprints,


rule fingerprints:
    """Writes the fingerprint of every script's code."""
    output:
        "results/code.json",
    log:
        "results/logs/fingerprints.log",
    threads: 1
    params:
        scripts=[
            f"{path.stem} {code(path.name)}" for path in sorted((PROJECT_ROOT / "workflow" / "scripts").glob("*.py"))
        ],
    shell:
        'python "$SCRIPTS"/fingerprints.py --output {output:q} --log {log:q}'


rule code:
    """Target: the fingerprints."""
    input:
        "results/code.json",

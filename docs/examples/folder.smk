# Runs a model on a folder by one job: the model is loaded once. The report is what later rules depend on.
#
#   snakemake -s folder.smk --cores 1 --config images=raw model=cells-n2v.zip results=denoised
IMAGES = config.get("images", "raw")
RESULTS = config.get("results", "denoised")
MODEL = config.get("model", "cells-n2v.zip")


rule folder:
    input:
        images=IMAGES,
        model=MODEL,
    output:
        touch(RESULTS + ".done"),
    params:
        results=RESULTS,
    shell:
        "bioimg-fiji run {input.model:q} {input.images:q} {params.results:q} --resume"

// Runs a model on every image of a folder, one task per image.
//
// With nextflow.config beside it, the run ends with 1 when an image has failed.
//
//   nextflow run run-model.nf --images 'raw/*.tif' --model cells-n2v.zip --results denoised
params.images = 'raw/*.tif'
params.model = 'cells-n2v.zip'
params.results = 'denoised'

process RUN_MODEL {
    publishDir params.results, mode: 'copy'
    errorStrategy { task.exitStatus == 1 ? 'ignore' : 'terminate' } // a bad image does not stop the others
    cpus 2

    input:
    tuple path(image, stageAs: 'input/*'), path(model)

    output:
    path "${image.baseName}.tif"

    script:
    """
    export OMP_NUM_THREADS=${task.cpus}
    bioimg-fiji run "${model}" "${image}" "${image.baseName}.tif"
    """
}

workflow {
    images = Channel.fromPath(params.images, checkIfExists: true)
    RUN_MODEL(images.combine(Channel.fromPath(params.model, checkIfExists: true)))
}

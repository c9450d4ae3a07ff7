// Runs a model on every image of a folder, one task per image.
//
//   nextflow run run-model.nf --images 'raw/*.tif' --model cells-n2v.zip --results denoised
params.images = 'raw/*.tif'
params.model = 'cells-n2v.zip'
params.results = 'denoised'

process RUN_MODEL {
    publishDir params.results, mode: 'copy'
    errorStrategy { task.exitStatus == 130 ? 'terminate' : 'ignore' } // a bad image does not stop the others
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

// Trains Noise2Void on a noisy image, runs the trained model on it and saves the result.
// Argument: input|model|output|further keys of the training
parts = split(getArgument(), "|");
input = parts[0];
model = parts[1];
output = parts[2];
more = "";
if (parts.length > 3) more = parts[3];

open(input);
noisy = getTitle();
run("BioImg Train Denoiser...", "method=n2v model=[" + model + "] quality=quick apply=false " + more);

selectImage(noisy);
run("BioImg Run Model...", "model=[" + model + "]");
print("The result is called " + getTitle());
saveAs("Tiff", output);

//! Has cargo look at the built console, so that a binary never embeds an older one.

fn main() {
    let dist = concat!(env!("CARGO_MANIFEST_DIR"), "/../../console/dist");
    // cargo can only watch what is there; an empty folder embeds nothing
    if let Err(error) = std::fs::create_dir_all(dist) {
        println!("cargo::warning=the folder `console/dist` could not be made: {error}");
    }
    println!("cargo::rerun-if-changed={dist}");
}

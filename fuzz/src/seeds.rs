//! Writes every fixture of `tests/fixtures` as a seed of the target `payload`, for its own kind.

use std::path::{Path, PathBuf};
use std::{fs, io};

use alertbridge::ingest::kinds;

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = root.join("corpus/payload");
    fs::create_dir_all(&corpus)?;
    let mut written = 0;
    for (at, kind) in kinds::builtin().iter().enumerate() {
        let folder = root.join("../tests/fixtures").join(kind.name());
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        let files = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
        for file in files {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.ends_with(".alerts.json") || name.ends_with(".headers.json") {
                continue;
            }
            let seed = alertbridge_fuzz::seed(at, &name, &fs::read(&file)?);
            fs::write(corpus.join(format!("{}-{name}", kind.name())), seed)?;
            written += 1;
        }
    }
    println!("{written} seeds in {}", corpus.display());
    Ok(())
}

//! Parses arguments, runs the command, says how it went.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Huge pages would make the allocator's arenas resident as a whole: some 70 MiB that are never used.
    #[cfg(target_os = "linux")]
    rustix::thread::disable_transparent_huge_pages(true).ok();
    alertbridge::cli::main()
}

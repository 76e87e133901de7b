//! The construction of each package.

use std::fs;
use std::path::{Path, PathBuf};

use super::{PROGRAM, empty};
use crate::paths::root;
use crate::run::Run;

/// What the packages contain.
pub(super) struct Source {
    pub(super) binary: PathBuf,
    pub(super) version: String,
    /// Folder of the finished packages.
    pub(super) output: PathBuf,
}

const LICENCES: [&str; 2] = ["LICENSE-MIT", "LICENSE-APACHE"];

impl Source {
    fn staging(&self, kind: &str) -> Result<PathBuf, String> {
        empty(&self.output.join("staging").join(kind))
    }

    /// The libraries that the program loads; none if it is static.
    fn libraries(&self) -> Vec<String> {
        let listed = Run::new("ldd", &[&self.binary.to_string_lossy()], &root()).output().unwrap_or_default();
        let paths =
            listed.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
        paths.map(str::to_owned).collect()
    }
}

fn write(path: &Path, contents: &[u8], mode: u32) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(path.parent().unwrap_or(path)).map_err(failed)?;
    fs::write(path, contents).map_err(failed)?;
    set_mode(path, mode).map_err(failed)
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// Other systems have no modes. The packages of a release are built on Linux.
#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) -> std::io::Result<()> {
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn copy(from: &Path, to: &Path, mode: u32) -> Result<(), String> {
    write(to, &read(from)?, mode)
}

fn template(file: &str) -> Result<String, String> {
    let path = root().join("packaging").join(file);
    fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
}

/// A Debian package: the program, the unit, and the configuration with its defaults.
pub(super) fn deb(source: &Source) -> Result<PathBuf, String> {
    let folder = source.staging("deb")?;
    copy(&source.binary, &folder.join("usr/bin").join(PROGRAM), 0o755)?;
    let unit = root().join("gateway/deploy/socketio-gateway.service");
    let unit = fs::read_to_string(&unit).map_err(|error| format!("{}: {error}", unit.display()))?;
    let unit = unit.replace("/usr/local/bin/", "/usr/bin/");
    write(&folder.join("usr/lib/systemd/system/socketio-gateway.service"), unit.as_bytes(), 0o644)?;
    let sample = Run::new(&source.binary.to_string_lossy(), &["gen-config"], &root()).output()?;
    write(&folder.join("etc/socketio-gateway/gateway.toml"), sample.as_bytes(), 0o640)?;
    let documents = folder.join("usr/share/doc").join(PROGRAM);
    copy(&root().join("gateway/README.md"), &documents.join("README.md"), 0o644)?;
    let licences = template("../LICENSE-MIT")? + "\n" + &template("../LICENSE-APACHE")?;
    write(&documents.join("copyright"), licences.as_bytes(), 0o644)?;
    let architecture = Run::new("dpkg", &["--print-architecture"], &root()).output()?;
    let size = fs::metadata(&source.binary).map_err(|error| error.to_string())?.len() / 1024;
    let control = template("debian/control")?
        .replace("{version}", &source.version)
        .replace("{architecture}", architecture.trim())
        .replace("{libc}", if source.libraries().is_empty() { "" } else { ", libc6" })
        .replace("{size}", &size.to_string());
    write(&folder.join("DEBIAN/control"), control.as_bytes(), 0o644)?;
    write(&folder.join("DEBIAN/conffiles"), template("debian/conffiles")?.as_bytes(), 0o644)?;
    for script in ["postinst", "prerm"] {
        write(&folder.join("DEBIAN").join(script), template(&format!("debian/{script}"))?.as_bytes(), 0o755)?;
    }
    let package = source.output.join(format!("{PROGRAM}_{}_{}.deb", source.version, architecture.trim()));
    let build = ["--root-owner-group", "--build", &folder.to_string_lossy(), &package.to_string_lossy()];
    Run::new("dpkg-deb", &build, &root()).status()?;
    Ok(package)
}

/// An npm package: the program, and the script that starts it.
pub(super) fn npm(source: &Source) -> Result<PathBuf, String> {
    let folder = source.staging("npm")?;
    let node = Run::new("node", &["-p", "process.platform + ' ' + process.arch"], &root()).output()?;
    let (os, cpu) = node.trim().split_once(' ').ok_or("node names no platform")?;
    let manifest = template("npm/package.json")?
        .replace("{version}", &source.version)
        .replace("{os}", os)
        .replace("{cpu}", cpu);
    write(&folder.join("package.json"), manifest.as_bytes(), 0o644)?;
    let script = template("npm/bin/socketio-gateway.js")?;
    write(&folder.join("bin/socketio-gateway.js"), script.as_bytes(), 0o755)?;
    copy(&source.binary, &folder.join("bin").join(PROGRAM), 0o755)?;
    copy(&root().join("gateway/README.md"), &folder.join("README.md"), 0o644)?;
    for licence in LICENCES {
        copy(&root().join(licence), &folder.join(licence), 0o644)?;
    }
    let pack = ["pack", "--silent", "--pack-destination", &source.output.to_string_lossy()];
    let file = Run::new("npm", &pack, &folder).output()?;
    let package = source.output.join(format!("{PROGRAM}-{}-{os}-{cpu}.tgz", source.version));
    fs::rename(source.output.join(file.trim()), &package)
        .map_err(|error| format!("{}: {error}", file.trim()))?;
    Ok(package)
}

/// A wheel: the program, which pip puts beside its own.
pub(super) fn wheel(source: &Source) -> Result<PathBuf, String> {
    let machine = Run::new("uname", &["-m"], &root()).output()?;
    let machine = machine.trim();
    // Only a static program runs with every C library.
    let platform = if source.libraries().is_empty() {
        format!("manylinux_2_17_{machine}.musllinux_1_1_{machine}")
    } else {
        format!("linux_{machine}")
    };
    let root = root();
    let file = |name: &str| root.join(name).to_string_lossy().into_owned();
    let arguments = [
        file("packaging/python/build_wheel.py"),
        source.binary.to_string_lossy().into_owned(),
        source.version.clone(),
        platform,
        file("gateway/README.md"),
        source.output.to_string_lossy().into_owned(),
        file(LICENCES[0]),
        file(LICENCES[1]),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Ok(PathBuf::from(Run::new("python3", &arguments, &root).output()?.trim()))
}

/// The root file system of the container image: the program, its libraries if it is not static, and the certificates that
/// it trusts.
pub(super) fn rootfs(source: &Source) -> Result<PathBuf, String> {
    let folder = source.staging("rootfs")?;
    copy(&source.binary, &folder.join(PROGRAM), 0o755)?;
    for library in source.libraries() {
        copy(Path::new(&library), &folder.join(library.trim_start_matches('/')), 0o755)?;
    }
    let certificates = Path::new("/etc/ssl/certs/ca-certificates.crt");
    if certificates.exists() {
        copy(certificates, &folder.join("etc/ssl/certs/ca-certificates.crt"), 0o644)?;
    }
    write(&folder.join("etc/passwd"), b"gateway:x:65532:65532::/:/sbin/nologin\n", 0o644)?;
    write(&folder.join("etc/group"), b"gateway:x:65532:\n", 0o644)?;
    let package = source.output.join(format!("{PROGRAM}-rootfs-{}.tar", source.version));
    let pack = ["--create", "--owner=0", "--group=0", "--sort=name", "--mtime=@0", "--file"];
    Run::new("tar", &[&pack[..], &[&package.to_string_lossy(), "."]].concat(), &folder).status()?;
    Ok(package)
}

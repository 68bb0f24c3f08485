//! The peers themselves: installed when missing, asked for their version, started on loopback.

use crate::proc::Proc;
use crate::run::{has, need_debian, output, target_dir};
use anyhow::{Context, Result};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Pinned, so that a run next year speaks to the same peers.
const PYTHON: [&str; 3] = ["imgtool==2.5.0", "paho-mqtt==2.2.0", "aiocoap==0.4.17"];

/// Every peer, ready to run.
pub(crate) struct Peers {
    venv: PathBuf,
}

impl Peers {
    /// Installs what is missing, or says what to install.
    pub(crate) fn ready() -> Result<Self> {
        let wanted = [
            ("mosquitto", "mosquitto"),
            ("nginx", "nginx-light"),
            ("coap-server-notls", "libcoap3-bin"),
            ("python3", "python3"),
            ("openssl", "openssl"),
        ];
        let missing: Vec<&str> =
            wanted.into_iter().filter(|(name, _)| !has(name)).map(|(_, package)| package).collect();
        if !missing.is_empty() {
            need_debian(&missing, "interop")?;
        }
        let venv = target_dir()?.join("peers");
        let peers = Self { venv };
        if peers.python(&["-c", "import imgtool, paho.mqtt.client, aiocoap"]).is_err() {
            peers.install_python()?;
        }
        Ok(peers)
    }

    fn install_python(&self) -> Result<()> {
        let make = || output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&self.venv));
        if make().is_err() {
            need_debian(&["python3-venv"], "interop")?;
            make()?;
        }
        eprintln!("installing for interop: {}", PYTHON.join(" "));
        self.python(&[&["-m", "pip", "install", "--quiet"], &PYTHON[..]].concat()).map(drop)
    }

    /// Runs Python with the peers' packages.
    pub(crate) fn python(&self, args: &[&str]) -> Result<String> {
        output(Command::new(self.venv.join("bin/python3")).args(args))
    }

    /// A Python program that keeps running.
    pub(crate) fn start_python(&self, name: &str, args: &[&str]) -> Result<Proc> {
        Proc::start(name, Command::new(self.venv.join("bin/python3")).arg("-u").args(args))
    }

    /// Runs imgtool.
    pub(crate) fn imgtool(&self) -> Command {
        self.script("imgtool")
    }

    /// Runs a program that came with a Python package.
    pub(crate) fn script(&self, name: &str) -> Command {
        Command::new(self.venv.join("bin").join(name))
    }

    /// Version of an installed Python package.
    pub(crate) fn python_version(&self, package: &str) -> Result<String> {
        let ask = format!("import importlib.metadata as m; print(m.version('{package}'))");
        Ok(self.python(&["-c", &ask])?.trim().to_owned())
    }
}

/// A port of loopback that nobody uses at the moment.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").context("no free port")?.local_addr()?.port())
}

/// Waits until somebody listens on `port`.
pub(crate) fn await_port(port: u16) -> Result<()> {
    for _ in 0..500 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    anyhow::bail!("nobody listens on port {port} after 10 seconds")
}

/// mosquitto on `port`, and whatever `more` configures.
pub(crate) fn mosquitto(dir: &Path, port: u16, more: &str) -> Result<Proc> {
    let config = dir.join("mosquitto.conf");
    std::fs::write(&config, format!("listener {port} 127.0.0.1\nallow_anonymous true\n{more}"))?;
    let broker = Proc::start("mosquitto", system("mosquitto").arg("-c").arg(config))?;
    await_port(port)?;
    Ok(broker)
}

/// A certificate for 127.0.0.1.
pub(crate) struct Certificate {
    /// Who vouches for it.
    pub(crate) authority: PathBuf,
    /// The certificate itself.
    pub(crate) file: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
}

/// Made by openssl in `dir`, with an authority of its own.
pub(crate) fn certificate(dir: &Path) -> Result<Certificate> {
    std::fs::create_dir_all(dir)?;
    let [authority, ca_key, key, request, file, names] =
        ["ca.pem", "ca.key", "server.key", "server.csr", "server.pem", "names"].map(|name| dir.join(name));
    std::fs::write(&names, "subjectAltName=IP:127.0.0.1\n")?;
    let openssl = |words: &str, files: &[(&str, &Path)]| {
        let mut openssl = Command::new("openssl");
        openssl.args(words.split(' '));
        for (option, file) in files {
            openssl.arg(option).arg(file);
        }
        output(&mut openssl)
    };
    let new_key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    let begin = format!("req -x509 {new_key} -subj /CN=bench -days 2");
    openssl(&begin, &[("-keyout", &ca_key), ("-out", &authority)])?;
    let begin = format!("req {new_key} -subj /CN=broker");
    openssl(&begin, &[("-keyout", &key), ("-out", &request)])?;
    let files =
        [("-in", &*request), ("-CA", &*authority), ("-CAkey", &*ca_key), ("-extfile", &*names), ("-out", &*file)];
    openssl("x509 -req -CAcreateserial -days 2", &files)?;
    Ok(Certificate { authority, file, key })
}

/// nginx on `port`, serving `files` at `rate` bytes per second. One process, so that a kill ends every connection.
pub(crate) fn nginx(dir: &Path, port: u16, files: &Path, rate: &str) -> Result<Proc> {
    let config = dir.join("nginx.conf");
    let (work, files) = (dir.display(), files.display());
    let text = format!(
        "daemon off; master_process off; pid {work}/nginx.pid; error_log stderr warn;\n\
         events {{ worker_connections 64; }}\n\
         http {{ access_log {work}/access.log; client_body_temp_path {work}/t1; proxy_temp_path {work}/t2;\n\
         fastcgi_temp_path {work}/t3; uwsgi_temp_path {work}/t4; scgi_temp_path {work}/t5;\n\
         server {{ listen 127.0.0.1:{port}; root {files}; limit_rate {rate}; }} }}\n"
    );
    std::fs::write(&config, text)?;
    let server = Proc::start("nginx", system("nginx").arg("-p").arg(dir).arg("-c").arg(config))?;
    await_port(port)?;
    Ok(server)
}

/// Debian keeps servers out of a user's path.
pub(crate) fn system(program: &str) -> Command {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new(program);
    command.env("PATH", path);
    command
}

/// The version number in what `program` prints about itself.
pub(crate) fn version_of(program: &str, flag: &str) -> Result<String> {
    let out = system(program).arg(flag).output().with_context(|| format!("cannot start {program}"))?;
    let text = [out.stdout, out.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let number = text.split(|c: char| !c.is_ascii_digit() && c != '.').find(|word| word.matches('.').count() >= 2);
    number.map(str::to_owned).with_context(|| format!("{program} {flag} names no version"))
}

//! Repositories over ssh: a real server, with the key in a file of the operator's or in a login of the
//! project's.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use kiln::{
    config::SourceSettings,
    model::{Login, SecretValue, SshLogin},
    source::{GitUrl, LoginReach, RefSpec, SourceError},
};
use tempfile::TempDir;

use crate::{
    Kiln,
    git::{Repos, program, run},
    settings,
};

/// The ssh server of the machine, or the one that `./dev` unpacks.
fn sshd() -> PathBuf {
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join(".kiln/sshd/usr/sbin/sshd");
    let found = [PathBuf::from("/usr/sbin/sshd"), unpacked].into_iter().find(|path| path.exists());
    found.expect("there is no ssh server: ./dev test unpacks one")
}

/// An ssh server that gives out repositories to who has its key, and does nothing else.
struct Ssh {
    folder: TempDir,
    child: Child,
    port: u16,
}

impl Ssh {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).display().to_string();
        for name in ["host", "id", "other"] {
            run(
                program("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &file(name)]),
                b"",
            );
        }
        let key = fs::read_to_string(file("id.pub")).unwrap();
        let line = format!("restrict,command=\"git-shell -c \\\"$SSH_ORIGINAL_COMMAND\\\"\" {key}");
        fs::write(file("authorized"), line).unwrap();
        // The server wants a user of its own if it runs as root; this one is in its namespace only.
        let users = fs::read_to_string("/etc/passwd").unwrap();
        let own = "sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n";
        fs::write(file("passwd"), if users.contains("\nsshd:") { users } else { users + own })
            .unwrap();
        let program_file = sshd();
        let root = program_file.ancestors().nth(3).unwrap();
        let libraries = root.join("usr/lib/x86_64-linux-gnu");
        let options = [
            "ListenAddress=127.0.0.1".to_owned(),
            format!("HostKey={}", file("host")),
            format!("AuthorizedKeysFile={}", file("authorized")),
            "StrictModes=no".to_owned(),
            "PasswordAuthentication=no".to_owned(),
            "PidFile=none".to_owned(),
        ];
        // Newer servers are several programs.
        let parts = [("SshdSessionPath", "sshd-session"), ("SshdAuthPath", "sshd-auth")];
        let parts = parts.map(|(option, name)| (option, root.join("usr/lib/openssh").join(name)));
        let parts = parts.iter().filter(|(_, path)| path.exists());
        let parts = parts.map(|(option, path)| format!("{option}={}", path.display()));
        let options: Vec<String> =
            options.into_iter().chain(parts).flat_map(|option| ["-o".to_owned(), option]).collect();
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut command = if run(program("id").arg("-u"), b"").trim() == "0" {
                let script = "mkdir -p /run/sshd; mount --bind \"$0\" /etc/passwd && exec \"$@\"";
                let mut command = program("unshare");
                command.args(["--mount", "sh", "-c", script, &file("passwd")]).arg(&program_file);
                command
            } else {
                program(program_file.to_str().unwrap())
            };
            command.args(["-D", "-e", "-f", "/dev/null", "-p", &port.to_string()]).args(&options);
            command.env("LD_LIBRARY_PATH", &libraries).stdin(Stdio::null());
            let log = fs::File::create(file("log")).unwrap();
            let mut child = command.stderr(log).spawn().unwrap();
            let began = Instant::now();
            while child.try_wait().unwrap().is_none() && began.elapsed() < Duration::from_secs(20) {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Self { folder, child, port };
                }
                thread::sleep(Duration::from_millis(10));
            }
            let _ = child.kill();
            child.wait().unwrap();
        }
        panic!("the ssh server does not start: {}", fs::read_to_string(file("log")).unwrap());
    }

    fn url(&self, repos: &Repos, name: &str) -> String {
        let user = run(program("id").arg("-un"), b"");
        let path = repos.path(name);
        format!("ssh://{}@127.0.0.1:{}{}", user.trim(), self.port, path.display())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A public key without the name behind it.
    fn public(&self, name: &str) -> String {
        let line = fs::read_to_string(self.file(&format!("{name}.pub"))).unwrap();
        line.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    fn login(&self, key: &str, host_key: &str) -> Login {
        let key = SecretValue::new(fs::read(self.file(key)).unwrap());
        let login =
            Login::SshKey(SshLogin { username: None, key, host_key: self.public(host_key) });
        assert_eq!(login.check(), Ok(()));
        login
    }
}

impl Drop for Ssh {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn with(kiln: &Kiln, url: &str, login: Login) -> GitUrl {
    let url = kiln.sources.parse_url(url).unwrap();
    url.with_login(Some((Arc::new(login), LoginReach::Itself)))
}

#[tokio::test]
async fn a_repository_is_resolved_listed_and_fetched_over_ssh_with_the_key_that_is_known() {
    let (repos, ssh) = (Repos::new(), Ssh::start());
    let commit = repos.commit("app", "main", &[("100644", "a.c", b"int a;\n")]);
    repos.git("app", &["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let text = ssh.url(&repos, "app");
    let open = SourceSettings { schemes: "ssh".parse().unwrap(), ..settings() };
    let kiln = Kiln::with(open.clone());
    // The key comes with the project's login: it is in no file and no argument.
    let url = with(&kiln, &text, ssh.login("id", "host"));
    let found = kiln.sources.resolve(&url, &RefSpec::Default).await.unwrap();
    assert_eq!(found.commit.as_str(), commit);
    let listed = kiln.sources.refs(&url).await.unwrap();
    assert_eq!(listed.refs.len(), 1);
    let spec = kiln::source::FetchSpec {
        url: url.clone(),
        commit: found.commit,
        refname: None,
        submodules: kiln::source::Submodules::LeftOut,
    };
    let stop = tokio_util::sync::CancellationToken::new();
    let fetched = kiln.sources.fetch(&spec, &stop).await.unwrap();
    assert_eq!(kiln.tar(&fetched.checkout).await.len(), 2);
    // Or it is in a file of the operator's.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials.toml");
    let host = format!("127.0.0.1:{}", ssh.port);
    let (key, host_key) = (ssh.file("id"), ssh.public("host"));
    let key = key.display();
    let lines = format!("[host.\"{host}\"]\nssh_key = \"{key}\"\nhost_key = \"{host_key}\"\n");
    fs::write(&file, lines).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let kiln = Kiln::with(SourceSettings { credentials_file: Some(file), ..open });
    let url = kiln.sources.parse_url(&text).unwrap();
    assert_eq!(
        kiln.sources.resolve(&url, &RefSpec::Default).await.unwrap().commit.as_str(),
        commit
    );
}

#[tokio::test]
async fn another_host_key_or_another_key_ends_it_with_a_sentence() {
    let (repos, ssh) = (Repos::new(), Ssh::start());
    repos.commit("app", "main", &[("100644", "a.c", b"int a;\n")]);
    let text = ssh.url(&repos, "app");
    let kiln = Kiln::with(SourceSettings { schemes: "ssh".parse().unwrap(), ..settings() });
    for (login, sentence) in [
        (ssh.login("id", "other"), "the ssh host's key is not the host_key"),
        (ssh.login("other", "host"), "does not accept the key"),
    ] {
        let url = with(&kiln, &text, login);
        let error = kiln.sources.resolve(&url, &RefSpec::Default).await.unwrap_err();
        assert!(matches!(error, SourceError::Credentials(_)), "{error:?}");
        assert!(error.to_string().contains(sentence), "{error}");
    }
    let url = with(&kiln, &ssh.url(&repos, "nowhere"), ssh.login("id", "host"));
    let error = kiln.sources.resolve(&url, &RefSpec::Default).await.unwrap_err();
    assert!(matches!(error, SourceError::Unreachable(_)), "{error:?}");
}

//! Where this machine's Debian packages come from, read out of its own apt configuration.
//!
//! Images fetch their packages as the host does: same mirror, same proxy, same leniency. No mirror is
//! known here: a host that names none cannot make images. Pure: `host` reads the files.

/// Names of Debian's releases; a source with another suite is not Debian's.
const SUITES: &[&str] = &[
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
    "sid",
    "oldstable",
    "stable",
    "testing",
    "unstable",
];

/// Settings that say how to get to a mirror, and how strict to be about it.
const PASSED_ON: &[&str] = &[
    "Acquire::http::",
    "Acquire::https::",
    "Acquire::Check-Valid-Until ",
    "Acquire::Check-Date ",
    "Acquire::Retries ",
    "Acquire::ForceIPv4 ",
    "Acquire::ForceIPv6 ",
];

/// How to get packages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Apt {
    /// Base URL of the releases.
    pub(super) main: String,
    /// Base URL of the security updates; none where the machine has a mirror without them.
    pub(super) security: Option<String>,
    /// Lines for apt.conf.
    pub(super) settings: Vec<String>,
}

impl Apt {
    /// The setting or mirror that holds a user or password, which would stay in every image.
    pub(super) fn secret(&self) -> Option<&'static str> {
        let has_user = |url: &str| {
            url.split("://").skip(1).any(|rest| {
                let end = rest.find(['/', '?', '#', '"', ' ']).unwrap_or(rest.len());
                rest[..end].contains('@')
            })
        };
        if has_user(&self.main) || self.security.as_deref().is_some_and(has_user) {
            return Some("the URL of its mirror");
        }
        self.settings.iter().any(|line| has_user(line)).then_some("the URL of a proxy")
    }

    /// From the texts of the sources files (with whether each is in the deb822 format) and the
    /// output of `apt-config dump`; none if they name no mirror of Debian.
    pub(super) fn from_host(sources: &[(bool, String)], dump: &str) -> Option<Self> {
        let entries: Vec<(String, String)> = sources
            .iter()
            .flat_map(|(deb822, text)| if *deb822 { stanzas(text) } else { lines(text) })
            .filter(|(url, _)| url.starts_with("http://") || url.starts_with("https://"))
            .collect();
        let url = |wanted: fn(&str) -> bool| {
            let found = entries.iter().find(|(_, suite)| wanted(suite));
            found.map(|(url, _)| url.trim_end_matches('/').to_owned())
        };
        let found = url(|suite| SUITES.contains(&suite));
        let security = url(|suite| {
            suite
                .strip_suffix("-security")
                .or_else(|| suite.strip_suffix("/updates"))
                .is_some_and(|release| SUITES.contains(&release))
        });
        let wanted = |line: &&str| PASSED_ON.iter().any(|prefix| line.starts_with(prefix));
        let settings = dump.lines().filter(wanted).filter(|line| !line.ends_with("\"\";"));
        Some(Self { main: found?, security, settings: settings.map(str::to_owned).collect() })
    }

    /// Whether certificates are needed.
    pub(super) fn needs_certificates(&self) -> bool {
        let https = |url: &String| url.starts_with("https://");
        https(&self.main) || self.security.as_ref().is_some_and(https)
    }

    /// The file with the sources of a release, for `/etc/apt/sources.list.d`.
    pub(super) fn sources(&self, release: &str) -> String {
        let stanza = |url: &str, suites: &str| {
            format!(
                "Types: deb\nURIs: {url}\nSuites: {suites}\nComponents: main\n\
                 Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
            )
        };
        let main = stanza(&self.main, &format!("{release} {release}-updates"));
        match &self.security {
            None => main,
            Some(url) => format!("{main}\n{}", stanza(url, &format!("{release}-security"))),
        }
    }

    /// The file with the settings, for `/etc/apt/apt.conf.d`. An update that fails is an error here,
    /// not a warning: else the next command fails for a reason that says nothing.
    pub(super) fn conf(&self) -> String {
        let mut text = self.settings.join("\n");
        text.push_str("\nAPT::Update::Error-Mode \"any\";\n");
        if self.needs_certificates() {
            text.push_str("Acquire::https::CaInfo \"/etc/apt/kiln/certificates.crt\";\n");
        }
        text
    }
}

/// URL and suite of each line `deb [options] URL suite component…`.
fn lines(text: &str) -> Vec<(String, String)> {
    let entry = |line: &str| {
        let rest = line.trim().strip_prefix("deb ")?.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']')?.1,
            None => rest,
        };
        let mut words = rest.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    text.lines().filter_map(entry).collect()
}

/// URL and suite of each stanza `URIs: … Suites: …`, each with each.
fn stanzas(text: &str) -> Vec<(String, String)> {
    let mut entries = Vec::new();
    let text: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    for stanza in text.split(|line| line.trim().is_empty()) {
        let field = |name: &str| {
            let mut values = Vec::new();
            let mut inside = false;
            for line in stanza {
                if line.starts_with([' ', '\t']) {
                    values.extend(line.split_whitespace().filter(|_| inside));
                } else if let Some((key, value)) = line.split_once(':') {
                    inside = key.eq_ignore_ascii_case(name);
                    values.extend(value.split_whitespace().filter(|_| inside));
                }
            }
            values
        };
        if field("Enabled").first().is_some_and(|value| value.eq_ignore_ascii_case("no"))
            || !field("Types").contains(&"deb")
        {
            continue;
        }
        for url in field("URIs") {
            for suite in field("Suites") {
                entries.push((url.to_owned(), suite.to_owned()));
            }
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apt(deb822: bool, text: &str) -> Option<Apt> {
        Apt::from_host(&[(deb822, text.to_owned())], "")
    }

    fn check(deb822: bool, text: &str, main: &str, security: Option<&str>) {
        let apt = apt(deb822, text).unwrap();
        assert_eq!((apt.main.as_str(), apt.security.as_deref()), (main, security), "{text}");
    }

    #[test]
    fn a_host_that_names_no_mirror_has_none() {
        for (deb822, text) in [
            (false, ""),
            (false, "deb http://archive/ubuntu noble main\ndeb http://x/debian nodistro main\n"),
            (
                true,
                "Enabled: no\nTypes: deb\nURIs: http://off/debian\nSuites: sid\n\nTypes: deb-src\n\
                 URIs: http://src/debian\nSuites: sid\n\nTypes: deb\nURIs: file:/cd\nSuites: sid\n",
            ),
        ] {
            assert_eq!(apt(deb822, text), None, "{text}");
        }
    }

    #[test]
    fn the_mirror_is_the_hosts() {
        check(
            false,
            "# comment\ndeb-src http://s/debian sid main\ndeb [arch=amd64 x=y] http://m/debian/ trixie main\n\
             deb http://m/debian trixie-updates main\ndeb http://n/sec bookworm-security main\n",
            "http://m/debian",
            Some("http://n/sec"),
        );
        check(false, "deb https://m/debian stable main\n", "https://m/debian", None);
        check(
            true,
            "Types: deb deb-src\n# comment\nURIs: http://m/debian\n  http://other/debian\n\
             Suites: bookworm bookworm-updates\nComponents: main\n\nTypes: deb\n\
             URIs: http://m/debian-security\nSuites: bookworm-security\n",
            "http://m/debian",
            Some("http://m/debian-security"),
        );
    }

    #[test]
    fn settings_about_reaching_a_mirror_are_passed_on_and_no_others() {
        let dump = "Acquire::http::Proxy \"http://p:1\";\nAcquire::https \"\";\nAcquire::Retries \"3\";\n\
                    Acquire::Check-Valid-Until \"false\";\nAcquire::IndexTargets::x \"y\";\nDPkg::Pre-Invoke \"z\";\n";
        let sources = [(false, "deb http://m/debian sid main".to_owned())];
        let apt = Apt::from_host(&sources, dump).unwrap();
        assert_eq!(
            apt.conf(),
            "Acquire::http::Proxy \"http://p:1\";\nAcquire::Retries \"3\";\n\
             Acquire::Check-Valid-Until \"false\";\nAPT::Update::Error-Mode \"any\";\n"
        );
    }

    #[test]
    fn users_and_passwords_are_found() {
        for (source, dump, expected) in [
            ("http://m/debian", "", None),
            ("http://m/debian/a@b", "Acquire::http::Proxy \"http://p:1/\";", None),
            ("https://u:p@m/debian", "", Some("the URL of its mirror")),
            (
                "http://m/debian",
                "Acquire::http::Proxy \"http://u@p:1/\";",
                Some("the URL of a proxy"),
            ),
        ] {
            let sources = [(false, format!("deb {source} sid main"))];
            assert_eq!(
                Apt::from_host(&sources, dump).unwrap().secret(),
                expected,
                "{source} {dump}"
            );
        }
    }

    #[test]
    fn a_mirror_with_tls_needs_certificates() {
        let sources = [(false, "deb https://m/debian sid main".to_owned())];
        let apt = Apt::from_host(&sources, "").unwrap();
        assert!(apt.conf().contains("CaInfo"));
        assert!(apt.sources("trixie").contains("Suites: trixie trixie-updates\n"));
        assert!(!apt.sources("trixie").contains("security"));
    }
}

//! What a build can reach: nothing but its own workspace.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    os::{linux::net::SocketAddrExt, unix::net},
};

use kiln::{
    config::{SandboxSettings, SeccompProfile},
    sandbox::Sandbox,
};

use crate::harness::{Farm, run, source, start, with_farm, with_settings};

const PROBE: &str = include_str!("probe.c");

/// What is allowed, and why that is no way out.
const ALLOWED: [(&str, &str); 21] = [
    ("ptrace attach own child", "leak checkers and debuggers; own PID namespace, same user"),
    ("process_vm_readv self", "the same"),
    ("pidfd_open", "a handle on one's own processes"),
    ("socket(AF_UNIX)", "own network namespace"),
    ("socket(AF_INET)", "only lo"),
    ("socket(AF_INET6)", "only lo"),
    ("socket(AF_NETLINK)", "ROUTE only: what getaddrinfo asks for interfaces"),
    ("socket(NETLINK,ROUTE)", "the same"),
    ("socket(INET,DGRAM,ICMP)ping", "only lo"),
    ("mkfifo", "make's job server"),
    ("landlock_create_ruleset", "can only take rights away"),
    ("memfd_create", "memory, and counted as such"),
    ("personality(NO_RANDOMIZE)", "debuggers, reproducible builds"),
    ("personality(PER_LINUX32)", "changes what uname says"),
    ("w oom_score_adj +500 (ok)", "makes itself the first to go"),
    ("w loginuid", "a number for an audit log, of this process"),
    ("r /proc/1/environ", "the build's own init"),
    ("r /proc/1/root/etc/passwd", "the build's own root"),
    ("r /proc/net/unix", "own network namespace"),
    ("bind+listen 127.0.0.1 (own lo)", "own network namespace"),
    ("connect own lo", "the same"),
];

/// What the `strict` profile takes away on top.
const NOT_STRICT: [&str; 2] = ["ptrace attach own child", "process_vm_readv self"];

/// What is refused, or is there but empty.
const REFUSED: &[&str] = &[
    "unshare(NEWUSER)",
    "unshare(NEWNS)",
    "unshare(NEWNET)",
    "unshare(NEWPID)",
    "clone(NEWUSER)",
    "clone3(NEWUSER)",
    "int80 getpid (32-bit ABI)",
    "x32 getpid",
    "mount tmpfs",
    "mount bind",
    "umount2 /proc/kcore",
    "pivot_root",
    "open_tree",
    "fsopen",
    "mount_setattr",
    "chroot",
    "setns /proc/1/ns/mnt",
    "kcmp",
    "pidfd_getfd",
    "process_madvise",
    "keyctl(GET_KEYRING session)",
    "add_key",
    "request_key",
    "bpf(PROG_LOAD)",
    "perf_event_open",
    "userfaultfd",
    "userfaultfd USER_MODE_ONLY",
    "io_uring_setup",
    "socket(INET,RAW,ICMP)",
    "socket(NETLINK,NETFILTER)",
    "socket(NETLINK,AUDIT)",
    "connect 169.254.169.254:80",
    "connect 172.17.0.1",
    "connect udp 8.8.8.8:53",
    "swapon",
    "reboot",
    "init_module",
    "finit_module",
    "kexec_load",
    "clock_settime",
    "clock_adjtime(read)",
    "sethostname",
    "acct",
    "iopl",
    "ioperm",
    "quotactl",
    "syslog(READ_ALL)",
    "lookup_dcookie",
    "mknod chr",
    "name_to_handle_at",
    "open_by_handle_at",
    "move_pages",
    "mbind",
    "set_mempolicy",
    "get_mempolicy",
    "fanotify_init",
    "memfd_secret",
    "modify_ldt",
    "personality(READ_IMPLIES_EXEC)",
    "vmsplice",
    "setuid(0)",
    "setgroups(0)",
    "capset",
    "setrlimit raise nofile",
    "nice(-5)",
    "sched_setscheduler(FIFO)",
    "ioctl TIOCSTI(fd0)",
    "ioctl TIOCLINUX",
    "mlock 64MB",
    "adjtimex read",
    "connect host abstract sock",
    "connect host-lo listener :18999",
    "w core_pattern",
    "w sysrq-trigger",
    "w vm/overcommit",
    "w kernel/hostname",
    "w net/ipv4/ip_forward",
    "w oom_score_adj -1000",
    "w uid_map",
    "w uevent_helper",
    "w cgroup release_agent",
    "w cgroup mem limit",
    "w binfmt register",
    "w sys/power/state",
    "w /sys/kernel/mm/thp",
    "r /proc/kcore",
    "r /proc/keys",
    "r /proc/timer_list",
    "r /proc/sched_debug",
    "r /proc/kallsyms",
    "r /dev/kmsg",
    "r /dev/mem",
    "r /dev/vda",
    "r /dev/kvm",
    "r /dev/vsock",
    "r /dev/fuse",
    "r docker.sock",
    "r /etc/shadow",
    "r /sys/firmware/dmi",
    "r /sys/class/dmi/id/product_uuid",
    "r powercap",
    "r /proc/config.gz",
    "r /proc/interrupts",
    "r /sys/kernel/vmcoreinfo",
    "w /dev/pts/ptmx",
    "socket(AF_AX25)",
    "socket(AF_IPX)",
    "socket(AF_APPLETALK)",
    "socket(AF_X25)",
    "socket(AF_DECnet)",
    "socket(AF_KEY)",
    "socket(AF_PACKET)",
    "socket(AF_RDS)",
    "socket(AF_LLC)",
    "socket(AF_CAN)",
    "socket(AF_TIPC)",
    "socket(AF_BLUETOOTH)",
    "socket(AF_RXRPC)",
    "socket(AF_PHONET)",
    "socket(AF_IEEE802154)",
    "socket(AF_ALG)",
    "socket(AF_NFC)",
    "socket(AF_VSOCK)",
    "socket(AF_KCM)",
    "socket(AF_QIPCRTR)",
    "socket(AF_SMC)",
    "socket(AF_XDP)",
    "socket(AF_MCTP)",
];

/// Every line of the probe, as its name and its first word.
async fn probe(farm: &Farm) -> BTreeMap<String, String> {
    let mut session = farm.sandbox.open(farm.spec()).await.unwrap();
    session.load(source(&[("probe.c", 0o644, PROBE.as_bytes())])).await.unwrap();
    let ran = run(session.as_mut(), "gcc -w -o probe probe.c && ./probe").await.ok();
    session.close().await.unwrap();
    let text = ran.text();
    let header = "uid=10240 euid=10240 gid=10240\nGroups:\t10240 \n";
    assert!(text.starts_with(header), "{text}");
    for none in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(text.contains(&format!("{none}:\t0000000000000000\n")), "{none}");
    }
    for expected in ["NoNewPrivs:\t1\n", "Seccomp:\t2\n"] {
        assert!(text.contains(expected), "{expected}");
    }
    // A 32-bit or x32 system call ends the process instead of slipping past the filter.
    assert_eq!(text.matches("(killed by 31) ").count(), 2, "{text}");
    text.replace("  (killed by 31) ", "")
        .lines()
        .filter(|line| line.len() > 34 && line.is_char_boundary(34))
        .map(|line| {
            let (name, said) = line.split_at(34);
            let verdict = said.split_whitespace().next().unwrap_or_default();
            (name.trim_end().to_owned(), verdict.to_owned())
        })
        .collect()
}

/// Compares the whole of what the probe said with the tables.
fn check(found: &BTreeMap<String, String>, allowed: &[&str]) {
    let mut wrong = Vec::new();
    for (name, said) in found {
        let expected: &[&str] = if allowed.contains(&name.as_str()) {
            &["ALLOWED"]
        } else if REFUSED.contains(&name.as_str()) || NOT_STRICT.contains(&name.as_str()) {
            &["DENIED", "EMPTY"]
        } else {
            &[]
        };
        if !expected.contains(&said.as_str()) {
            wrong.push(format!("{name}: {said}, expected one of {expected:?}"));
        }
    }
    for name in REFUSED.iter().chain(allowed).filter(|name| !found.contains_key(**name)) {
        wrong.push(format!("{name}: not tried"));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn every_way_out_that_the_probe_tries_is_shut() {
    // Something to find on the host, if there were a way.
    let _loopback = TcpListener::bind("127.0.0.1:18999").unwrap();
    let name = net::SocketAddr::from_abstract_name("kiln-host-abstract").unwrap();
    let _abstract = net::UnixListener::bind_addr(&name).unwrap();

    let allowed: Vec<&str> = ALLOWED.iter().map(|(name, _)| *name).collect();
    with_farm(async |farm| check(&probe(farm).await, &allowed)).await;
    let allowed: Vec<&str> =
        allowed.into_iter().filter(|name| !NOT_STRICT.contains(name)).collect();
    let settings =
        SandboxSettings { profile: SeccompProfile::Strict, ..SandboxSettings::default() };
    with_settings(settings, async |farm| check(&probe(farm).await, &allowed)).await;
}

#[tokio::test]
async fn there_is_no_network() {
    with_farm(async |farm| {
        let devices = farm.run("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '").await.ok();
        assert_eq!(devices.text(), "lo\n");
        let routes =
            farm.run("tail -n +2 /proc/net/route; getent hosts example.com || echo none").await;
        assert_eq!(routes.text(), "none\n");
    })
    .await;
}

#[tokio::test]
async fn two_sessions_do_not_see_each_other() {
    with_farm(async |farm| {
        let first = start(
            farm.open().await,
            "for d in . .. /tmp /dev/shm ~; do echo secret >$d/found-me; done; echo up; sleep 1000 & wait",
        )
        .await;
        let script = "find / -name found-me 2>/dev/null; ls /workspace; cat /proc/[0-9]*/comm";
        let seen = farm.run(script).await.text();
        let processes = seen.strip_prefix("home\nsrc\n").expect(&seen);
        for process in processes.lines() {
            assert!(["cat", "docker-init", "sh", "timeout"].contains(&process), "{process}");
        }
        first.stop.cancel();
        let (session, _) = first.task.await.unwrap();
        session.close().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn nothing_of_the_host_is_mounted_and_nothing_of_the_agent_is_in_the_environment() {
    with_farm(async |farm| {
        let mounts = farm.run("cut -d' ' -f4,5,6 /proc/self/mountinfo").await.ok().text();
        let writable: Vec<_> = mounts
            .lines()
            .filter_map(|line| {
                let mut fields = line.split(' ').skip(1);
                let (path, options) = (fields.next()?, fields.next()?);
                let is_kernel = path.starts_with("/proc") || path.starts_with("/sys");
                (options.starts_with("rw") && !is_kernel).then_some(path)
            })
            .collect();
        // The three files in /etc are the engine's own, made for this container, and root's.
        let known = [
            "/dev",
            "/dev/pts",
            "/dev/mqueue",
            "/dev/shm",
            "/tmp",
            "/workspace",
            "/etc/resolv.conf",
            "/etc/hostname",
            "/etc/hosts",
        ];
        for path in writable {
            assert!(known.contains(&path), "{path}\n{mounts}");
        }
        assert!(!mounts.contains(".sock"), "{mounts}");
        for (option, path) in [("noexec", "/tmp"), ("noexec", "/dev/shm"), ("nosuid", "/workspace")]
        {
            let line = mounts.lines().find(|line| line.contains(&format!(" {path} "))).unwrap();
            assert!(line.contains(option), "{line}");
        }
        let environment = farm.run("env").await.ok().text();
        for line in [
            "HOME=/workspace/home",
            "TMPDIR=/tmp",
            "PATH=/usr/local/bin:/usr/bin:/bin",
            "LD_PRELOAD=",
            "LD_LIBRARY_PATH=",
        ] {
            assert!(environment.lines().any(|found| found == line), "{line}\n{environment}");
        }
        assert!(!environment.contains("CARGO") && !environment.contains("KILN_TEST"));
    })
    .await;
}

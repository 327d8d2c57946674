//! The compiler cache with real compilers: a second build finds what the first made, makes the same
//! bytes, and nobody who is not trusted changes anything for others.

use kiln::{model::Outcome, protocol::Job};

use super::{
    support::repo::{Entry, Repo},
    world::{Farm, succeeded, with_farm},
};

const FILES: usize = 6;

fn makefile() -> String {
    let objects: Vec<_> = (0..FILES).map(|number| format!("f{number}.o")).collect();
    format!(
        "app: {0}\n\t$(CC) -o app {0}\n%.o: %.c all.h\n\t$(CC) -O2 -g -c $<\n",
        objects.join(" ")
    )
}

/// A tree with this Makefile, and this in one of its files.
fn tree(makefile: &str, first: &str) -> Vec<Entry> {
    let file = |number: usize| {
        let text = match number {
            0 => "#include \"all.h\"\nint main(void) { return VALUE; }\n".to_owned(),
            1 => first.to_owned(),
            _ => {
                format!("#include \"all.h\"\nint f{number}(void) {{ return VALUE + {number}; }}\n")
            }
        };
        Entry::file(format!("f{number}.c"), text)
    };
    let more = [
        Entry::file("Makefile", makefile),
        Entry::file("all.h", "#include <stdio.h>\n#define VALUE 0\n"),
    ];
    (0..FILES).map(file).chain(more).collect()
}

const F1: &str = "#include \"all.h\"\nint f1(void) { int unused; return VALUE + 1; }\n";

fn build(farm: &Farm, arguments: &[&str]) -> (Job, String, Vec<u8>) {
    let build = farm.submit(arguments);
    let ended = farm.ended(build);
    let job = farm.only_job(build);
    let log = farm.log_of(job.summary.id, 1);
    assert_eq!(ended.outcome, Some(Outcome::Success), "{log}");
    succeeded(&job);
    let id = job.summary.id.to_string();
    let app = farm.kiln(["artifacts", &id, "app", "-o", "-"]).exits(0).stdout;
    (job, log, app)
}

fn counts(job: &Job) -> (u64, u64) {
    let usage = job.attempts[0].usage.as_ref().unwrap();
    (usage.cache_hits, usage.cache_misses)
}

#[test]
fn a_second_build_compiles_only_what_changed_and_an_untrusted_one_changes_nothing() {
    let repo = Repo::with(tree(&makefile(), F1));
    let all = FILES as u64;
    with_farm(|farm| {
        let url = repo.url();
        farm.kiln(["project", "add", "mine", &url]).exits(0);
        let (job, _, plain) = build(farm, &[&url, "-t", "gcc:14", "--no-cache"]);
        assert_eq!(counts(&job), (0, 0));
        let (job, log, first) = build(farm, &[&url, "-t", "gcc:14"]);
        assert_eq!(counts(&job), (0, all), "{log}");
        assert!(log.contains("Compiler cache: none yet"), "{log}");
        let (job, log, again) = build(farm, &[&url, "-t", "gcc:14"]);
        assert_eq!(counts(&job), (all, 0), "{log}");
        assert!(first == plain && again == plain, "the cache changes no byte");
        let text = "#include \"all.h\"\nint f1(void) { return VALUE + 11; }\n";
        let changed = repo.commit("one file", tree(&makefile(), text));
        let (job, log, _) = build(farm, &[&url, "-t", "gcc:14"]);
        assert_eq!(counts(&job), (all - 1, 1), "{log}");

        // Somebody's commit, asked for by its id, fills the cache with what it wants, in vain.
        let evil = "app:\n\techo 'int main(void) { return 0; }' >app.c && $(CC) -c app.c && $(CC) -o app app.o\n\
                    \tfind /workspace/cache -type f ! -name stats -exec sh -c 'echo evil >{}' \\;\n\
                    \thead -c 100000000 /dev/zero >/workspace/cache/0/0/evil || true\n\
                    \techo 'prefix_command = false' >/workspace/cache/ccache.conf\n";
        let evil = repo.commit("evil", tree(evil, text));
        let (_, log, _) = build(farm, &[&url, "--commit", &evil, "-t", "gcc:14"]);
        assert!(log.contains("nothing is added to it"), "{log}");
        repo.commit("back", tree(&makefile(), text));
        let (job, log, _) = build(farm, &[&url, "-t", "gcc:14"]);
        assert_eq!(counts(&job), (all, 0), "{log}");

        // The same as a trusted one: what it leaves is bounded and taken over only as far as it is a cache.
        let (_, log, _) = {
            let too_much = "app:\n\techo 'int main(void) { return 0; }' >app.c && $(CC) -c app.c && $(CC) -o app app.o\n\
                    \tmkdir -p /workspace/cache/0/0\n\
                    \thead -c 300000000 /dev/zero >/workspace/cache/0/0/abcdefR\n\
                    \techo 'prefix_command = false' >/workspace/cache/ccache.conf\n";
            repo.commit("large", tree(too_much, text));
            build(farm, &[&url, "-t", "gcc:14"])
        };
        assert!(log.contains("it could not be kept"), "{log}");
        repo.commit("and back", tree(&makefile(), text));
        let (job, log, _) = build(farm, &[&url, "-t", "gcc:14"]);
        assert_eq!(counts(&job), (all, 0), "{log}");
        assert_ne!(changed, evil);
    });
}

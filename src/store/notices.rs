//! What servers on one database tell each other: that something changed, that a log grew.
//!
//! Only a hint to look now instead of a second later: a notice that is lost costs time, nothing
//! else. PostgreSQL sends it when the transaction that made it commits; on SQLite there is one
//! server, which knows what it did.

use sqlx::postgres::{PgListener, PgPoolOptions};

use super::{Store, StoreError, Tx, db::Pools, sql::sql};
use crate::model::JobId;

/// The channel that all servers of an installation share.
const CHANNEL: &str = "kiln";

/// Something to look at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// A job or a build changed.
    Change,
    /// The log of this job grew.
    Log(JobId),
    /// Notices may have been missed: everything may have changed.
    Missed,
}

impl Notice {
    /// The notice as it travels, with who sent it.
    pub(super) fn encode(self, sender: u64) -> String {
        match self {
            Self::Change | Self::Missed => format!("{sender:x}"),
            Self::Log(job) => format!("{sender:x} {job}"),
        }
    }

    /// A notice of somebody else; one that cannot be read may mean everything.
    fn decode(text: &str, own: u64) -> Option<Self> {
        let (sender, job) = match text.split_once(' ') {
            Some((sender, job)) => (sender, Some(job)),
            None => (text, None),
        };
        if u64::from_str_radix(sender, 16) == Ok(own) {
            return None;
        }
        Some(job.map_or(Self::Change, |job| job.parse().map_or(Self::Missed, Self::Log)))
    }
}

/// Hears what other servers do.
#[derive(Debug)]
pub struct Notices {
    listener: PgListener,
    own: u64,
}

impl Store {
    /// Tells other servers once the transaction commits.
    pub async fn notify(&self, tx: &mut Tx, notice: Notice) -> Result<(), StoreError> {
        if let Tx::Postgres(_) = tx {
            sql("SELECT CAST(pg_notify('kiln', $1) AS TEXT)")
                .bind(notice.encode(self.sender))
                .fetch_only::<String>(tx)
                .await?;
        }
        Ok(())
    }

    /// Begins to hear other servers; none where there are no others.
    pub async fn notices(&self) -> Result<Option<Notices>, StoreError> {
        let Pools::Postgres(pool) = &self.pools else { return Ok(None) };
        // A connection of its own: it is held for ever, and must not wait behind others.
        let own = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with((*pool.connect_options()).clone());
        let mut listener = PgListener::connect_with(&own).await?;
        listener.listen(CHANNEL).await?;
        Ok(Some(Notices { listener, own: self.sender }))
    }
}

impl Notices {
    /// The next notice. An error means that the database is away: ask again after a pause.
    pub async fn next(&mut self) -> Result<Notice, StoreError> {
        loop {
            let Some(notification) = self.listener.try_recv().await? else {
                return Ok(Notice::Missed);
            };
            if let Some(notice) = Notice::decode(notification.payload(), self.own) {
                return Ok(notice);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn notices_of_others_are_read_and_own_ones_are_not() {
        let job = JobId::new(Timestamp::from_millis(1));
        for notice in [Notice::Change, Notice::Log(job)] {
            assert_eq!(Notice::decode(&notice.encode(7), 8), Some(notice));
            assert_eq!(Notice::decode(&notice.encode(8), 8), None);
        }
        assert_eq!(Notice::decode("7 nonsense", 8), Some(Notice::Missed));
        assert_eq!(Notice::decode("", 8), Some(Notice::Change));
    }
}

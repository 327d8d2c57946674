//! Log frames of attempts that run, or whose log is not sealed yet.

use sqlx::FromRow;

use super::{
    Store, StoreError, Tx,
    error::{int, uint},
    sql::sql,
};
use crate::model::{Frame, JobId, Stream};

/// A stored frame, still in its wire form.
#[derive(Clone, Debug)]
pub struct FrameRow {
    /// Its number.
    pub seq: u64,
    /// Data bytes before it.
    pub start: u64,
    /// Data bytes in it.
    pub length: u64,
    /// The frame as it was sent.
    pub frame: Vec<u8>,
}

#[derive(FromRow)]
struct Flat {
    seq: i64,
    start: i64,
    length: i64,
    frame: Vec<u8>,
}

impl From<Flat> for FrameRow {
    fn from(flat: Flat) -> Self {
        Self {
            seq: uint(flat.seq),
            start: uint(flat.start),
            length: uint(flat.length),
            frame: flat.frame,
        }
    }
}

impl Store {
    /// Writes one frame.
    pub async fn insert_frame(
        &self,
        tx: &mut Tx,
        job: JobId,
        attempt: u32,
        frame: &Frame,
        in_tail: bool,
    ) -> Result<(), StoreError> {
        let mut wire = Vec::with_capacity(frame.data().len() + 128);
        frame.encode(&mut wire);
        sql("INSERT INTO log_frames (job_id, attempt, seq, start, length, stream, tail, frame) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
        .bind(job.to_string())
        .bind(i64::from(attempt))
        .bind(int(frame.seq))
        .bind(int(frame.offset))
        .bind(int(frame.data().len() as u64))
        .bind(frame.stream().map(Stream::as_str))
        .bind(in_tail)
        .bind(wire)
        .execute(&mut *tx)
        .await?;
        Ok(())
    }

    /// Removes the oldest data frame of the tail before number `seq` and answers its length; `None`
    /// if there is none.
    pub async fn drop_tail_frame_before(
        &self,
        tx: &mut Tx,
        job: JobId,
        attempt: u32,
        seq: u64,
    ) -> Result<Option<u64>, StoreError> {
        let query = sql("DELETE FROM log_frames WHERE job_id = $1 AND attempt = $2 AND seq = \
             (SELECT MIN(seq) FROM log_frames WHERE job_id = $1 AND attempt = $2 AND tail \
             AND length > 0 AND seq < $3) RETURNING length");
        let length = query
            .bind(job.to_string())
            .bind(i64::from(attempt))
            .bind(int(seq))
            .fetch_value::<i64>(&mut *tx)
            .await?;
        Ok(length.map(uint))
    }

    /// Frames from number `seq` on, at most `limit`.
    pub async fn frames_from(
        &self,
        job: JobId,
        attempt: u32,
        seq: u64,
        limit: u32,
    ) -> Result<Vec<FrameRow>, StoreError> {
        let query = sql("SELECT seq, start, length, frame FROM log_frames \
             WHERE job_id = $1 AND attempt = $2 AND seq >= $3 ORDER BY seq LIMIT $4");
        let rows = query
            .bind(job.to_string())
            .bind(i64::from(attempt))
            .bind(int(seq))
            .bind(i64::from(limit))
            .fetch_all::<Flat>(self)
            .await?;
        Ok(rows.into_iter().map(FrameRow::from).collect())
    }

    /// The number of the first frame that ends after byte `offset`, or marks a step there.
    pub async fn first_frame_after(
        &self,
        job: JobId,
        attempt: u32,
        offset: u64,
    ) -> Result<Option<u64>, StoreError> {
        let query = sql("SELECT MIN(seq) FROM log_frames WHERE job_id = $1 AND attempt = $2 \
             AND (start >= $3 OR start + length > $3)");
        let seq = query
            .bind(job.to_string())
            .bind(i64::from(attempt))
            .bind(int(offset))
            .fetch_only::<Option<i64>>(self)
            .await?;
        Ok(seq.map(uint))
    }
    /// The bytes that are stored of frames before number `seq`, of one stream or of all.
    pub async fn log_bytes(
        &self,
        job: JobId,
        attempt: u32,
        seq: u64,
        stream: Option<Stream>,
    ) -> Result<u64, StoreError> {
        let query = sql("SELECT CAST(COALESCE(SUM(length), 0) AS BIGINT) FROM log_frames \
             WHERE job_id = $1 AND attempt = $2 AND seq < $3 \
             AND (CAST($4 AS TEXT) IS NULL OR stream = $4)");
        let bytes = query
            .bind(job.to_string())
            .bind(i64::from(attempt))
            .bind(int(seq))
            .bind(stream.map(Stream::as_str))
            .fetch_only::<i64>(self)
            .await?;
        Ok(uint(bytes))
    }
}

//! The segment that became full last: what is derived of it is written beside the work, by a thread of
//! its own, and its ids are held in memory until that is done.

use crate::format::entry::EventId;
use crate::storage::disk::Disk;
use crate::storage::full::write_lookups;
use crate::storage::ids::Ids;
use crate::storage::segment::Tail;
use std::sync::Arc;
use std::thread::JoinHandle;

/// A thread's order of work is not the same twice; tests that fail each operation in turn need it to be.
const BESIDE: bool = !cfg!(test);

/// What is being written of a full segment.
#[derive(Debug)]
pub struct Rolled {
    /// There until it is finished.
    tail: Option<Arc<Tail>>,
    work: Option<JoinHandle<Ids>>,
    done: Option<Ids>,
}

impl Rolled {
    /// Begins to write the lookups of a full segment, and its ids into the runs.
    pub fn begin(disk: Arc<dyn Disk>, tail: Tail, ids: &Ids, covers: bool) -> Rolled {
        let (tail, mut ids) = (Arc::new(tail), ids.clone());
        let segment = tail.clone();
        let write = move || {
            // What is derived may be missing: then it is made again.
            let _ = write_lookups(&*disk, &segment.path, &segment.lookups());
            if covers {
                let _ = ids.add(segment.ids());
            }
            ids
        };
        let (work, done) = if BESIDE { (Some(std::thread::spawn(write)), None) } else { (None, Some(write())) };
        Rolled { tail: Some(tail), work, done }
    }

    /// The position of an id in the segment.
    pub fn find(&self, id: &EventId) -> Option<u64> {
        let tail = self.tail.as_ref()?;
        tail.ids.get(id).map(|place| tail.first + u64::from(*place))
    }

    /// The segment, if it begins at `first`.
    pub fn tail_at(&self, first: u64) -> Option<&Tail> {
        self.tail.as_deref().filter(|tail| tail.first == first)
    }

    /// Waits until it is written. Gives the runs with its ids in them, and the segment, whose memory the
    /// next one may use.
    pub fn finish(mut self) -> (Option<Ids>, Option<Tail>) {
        let ids = match self.work.take() {
            Some(work) => work.join().ok(),
            None => self.done.take(),
        };
        (ids, self.tail.take().and_then(Arc::into_inner))
    }
}

impl Drop for Rolled {
    fn drop(&mut self) {
        // Nothing is written any more after the lock is given up.
        if let Some(work) = self.work.take() {
            let _ = work.join();
        }
    }
}

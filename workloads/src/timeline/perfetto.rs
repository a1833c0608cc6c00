//! Timelines in the format of Perfetto (<https://ui.perfetto.dev>): protocol buffers, written by hand.
//!
//! The numbers of fields are those of `perfetto_trace.proto`, which keeps them for good. A track a core under a track with the
//! title, a track a counter; names are interned, arrows are flows.

use rustc_hash::FxHashMap;

use super::{Arrow, Counter, Mark, Timeline, What};

/// Fields, by message.
mod field {
    pub(super) const TRACE_PACKET: u32 = 1;
    pub(super) const PACKET_TIMESTAMP: u32 = 8;
    pub(super) const PACKET_SEQUENCE: u32 = 10;
    pub(super) const PACKET_EVENT: u32 = 11;
    pub(super) const PACKET_INTERNED: u32 = 12;
    pub(super) const PACKET_FLAGS: u32 = 13;
    pub(super) const PACKET_TRACK: u32 = 60;
    pub(super) const TRACK_UUID: u32 = 1;
    pub(super) const TRACK_NAME: u32 = 2;
    pub(super) const TRACK_PARENT: u32 = 5;
    pub(super) const TRACK_COUNTER: u32 = 8;
    pub(super) const TRACK_CHILD_ORDERING: u32 = 11;
    pub(super) const TRACK_RANK: u32 = 12;
    pub(super) const INTERNED_EVENT_NAMES: u32 = 2;
    pub(super) const EVENT_NAME_IID: u32 = 1;
    pub(super) const EVENT_NAME_NAME: u32 = 2;
    pub(super) const EVENT_ANNOTATIONS: u32 = 4;
    pub(super) const EVENT_TYPE: u32 = 9;
    pub(super) const EVENT_NAME: u32 = 10;
    pub(super) const EVENT_TRACK: u32 = 11;
    pub(super) const EVENT_COUNTER: u32 = 30;
    pub(super) const EVENT_FLOWS: u32 = 47;
    pub(super) const EVENT_ENDING_FLOWS: u32 = 48;
    pub(super) const ANNOTATION_UINT: u32 = 3;
    pub(super) const ANNOTATION_STRING: u32 = 6;
    pub(super) const ANNOTATION_NAME: u32 = 10;
}

/// `TrackEvent.Type`.
#[derive(Clone, Copy)]
enum Type {
    Begin = 1,
    End = 2,
    Instant = 3,
    Counter = 4,
}

/// `TracePacket.SequenceFlags`: names are interned from here on, and names that were interned are used.
const CLEARED: u64 = 1;
const NEEDED: u64 = 2;
/// `TrackDescriptor.ChildTracksOrdering`: by rank.
const BY_RANK: u64 = 3;
/// All packets are of one sequence.
const SEQUENCE: u64 = 1;
/// The track that the others are under.
const ROOT: u64 = 1;

/// A message under construction.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn key(&mut self, field: u32, wire_type: u32) {
        self.varint(u64::from(field << 3 | wire_type));
    }

    fn number(&mut self, field: u32, value: u64) {
        self.key(field, 0);
        self.varint(value);
    }

    fn fixed64(&mut self, field: u32, value: u64) {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.key(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }
}

/// The file of a timeline.
pub fn encode(timeline: &Timeline) -> Vec<u8> {
    let mut writer = Writer::default();
    let title = format!("{} (1 ns is 1 cycle)", timeline.title);
    writer.track(ROOT, &title, None, false);
    let cores = (0..timeline.cpus).map(|cpu| (of_core(cpu), format!("CPU {cpu}"), false));
    let counters = timeline.counters.iter().map(|&counter| (of_counter(counter), counter.name().to_owned(), true));
    for (rank, (uuid, name, counts)) in (0..).zip(counters.chain(cores)) {
        writer.track(uuid, &name, Some(rank), counts);
    }
    writer.provenance(&timeline.provenance);
    for &counter in timeline.counters {
        writer.mark(&Mark { at_cycles: 0, what: What::Count(counter, 0) });
    }
    timeline.marks.iter().for_each(|mark| writer.mark(mark));
    writer.trace.0
}

fn of_counter(counter: Counter) -> u64 {
    ROOT + 1 + counter as u64
}

fn of_core(cpu: u16) -> u64 {
    ROOT + 1 + Counter::ALL.len() as u64 + u64::from(cpu)
}

#[derive(Default)]
struct Writer {
    trace: Message,
    names: FxHashMap<String, u64>,
    begun: bool,
}

impl Writer {
    fn packet(&mut self, mut packet: Message) {
        packet.number(field::PACKET_SEQUENCE, SEQUENCE);
        let cleared = if std::mem::replace(&mut self.begun, true) { 0 } else { CLEARED };
        packet.number(field::PACKET_FLAGS, cleared | NEEDED);
        self.trace.bytes(field::TRACE_PACKET, &packet.0);
    }

    fn track(&mut self, uuid: u64, name: &str, rank: Option<u64>, counts: bool) {
        let mut track = Message::default();
        track.number(field::TRACK_UUID, uuid);
        track.bytes(field::TRACK_NAME, name.as_bytes());
        match rank {
            None => track.number(field::TRACK_CHILD_ORDERING, BY_RANK),
            Some(rank) => {
                track.number(field::TRACK_PARENT, ROOT);
                track.number(field::TRACK_RANK, rank);
            }
        }
        if counts {
            // A counter without a unit.
            track.bytes(field::TRACK_COUNTER, &[]);
        }
        let mut packet = Message::default();
        packet.bytes(field::PACKET_TRACK, &track.0);
        self.packet(packet);
    }

    /// A point at time 0 that says where the timeline comes from.
    fn provenance(&mut self, provenance: &[(&'static str, String)]) {
        let mut event = event(Type::Instant, ROOT);
        let mut packet = self.named(&mut event, "provenance");
        for (name, value) in provenance {
            annotate(&mut event, name, |annotation| annotation.bytes(field::ANNOTATION_STRING, value.as_bytes()));
        }
        packet.number(field::PACKET_TIMESTAMP, 0);
        packet.bytes(field::PACKET_EVENT, &event.0);
        self.packet(packet);
    }

    fn mark(&mut self, mark: &Mark) {
        let mut packet = Message::default();
        let event = match &mark.what {
            What::Begin { cpu, name, about, arrow } => {
                let mut event = event(Type::Begin, of_core(*cpu));
                packet = self.named(&mut event, name);
                if let Some((name, value)) = about {
                    annotate(&mut event, name, |annotation| annotation.number(field::ANNOTATION_UINT, *value));
                }
                match arrow {
                    Some(Arrow::From(flow)) => event.fixed64(field::EVENT_FLOWS, *flow),
                    Some(Arrow::To(flow)) => event.fixed64(field::EVENT_ENDING_FLOWS, *flow),
                    None => {}
                }
                event
            }
            What::End(cpu) => event(Type::End, of_core(*cpu)),
            What::Instant(cpu, name) => {
                let mut event = event(Type::Instant, of_core(*cpu));
                packet = self.named(&mut event, name);
                event
            }
            What::Count(counter, value) => {
                let mut event = event(Type::Counter, of_counter(*counter));
                event.number(field::EVENT_COUNTER, value.cast_unsigned());
                event
            }
        };
        packet.number(field::PACKET_TIMESTAMP, mark.at_cycles);
        packet.bytes(field::PACKET_EVENT, &event.0);
        self.packet(packet);
    }

    /// Names an event. The packet it is to go into has the name itself if it is used for the first time.
    fn named(&mut self, event: &mut Message, name: &str) -> Message {
        let mut packet = Message::default();
        let iid = self.names.get(name).copied().unwrap_or_else(|| {
            let iid = self.names.len() as u64 + 1;
            self.names.insert(name.to_owned(), iid);
            let (mut entry, mut interned) = (Message::default(), Message::default());
            entry.number(field::EVENT_NAME_IID, iid);
            entry.bytes(field::EVENT_NAME_NAME, name.as_bytes());
            interned.bytes(field::INTERNED_EVENT_NAMES, &entry.0);
            packet.bytes(field::PACKET_INTERNED, &interned.0);
            iid
        });
        event.number(field::EVENT_NAME, iid);
        packet
    }
}

fn event(kind: Type, track: u64) -> Message {
    let mut event = Message::default();
    event.number(field::EVENT_TYPE, kind as u64);
    event.number(field::EVENT_TRACK, track);
    event
}

fn annotate(event: &mut Message, name: &str, value: impl FnOnce(&mut Message)) {
    let mut annotation = Message::default();
    annotation.bytes(field::ANNOTATION_NAME, name.as_bytes());
    value(&mut annotation);
    event.bytes(field::EVENT_ANNOTATIONS, &annotation.0);
}

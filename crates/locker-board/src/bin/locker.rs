//! The locker: firmware and serial line, for ever.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::boxed::Box;

use board::{cabinet::Cabinet, heap, stack, timer::Timer, uart::Uart};
use cortex_m_rt::entry;
use postern_locker::{
    BootError, Config, Locker, Output, Uptime,
    serial::{Deframer, FromBoard, Measures, Provision, ToBoard},
};

#[entry]
fn main() -> ! {
    let mut line = Line { uart: Uart::start(), deframer: Deframer::default() };
    let mut timer = Timer::start();
    line.send(&FromBoard::Ready);
    let provision = loop {
        if let Some(ToBoard::Provision(provision)) = line.poll() {
            break provision;
        }
    };
    let mut locker = match start(*provision, &mut timer) {
        Ok(locker) => locker,
        Err(reason) => {
            line.send(&FromBoard::NotStarted(reason));
            loop {
                cortex_m::asm::wfi();
            }
        }
    };
    line.send(&FromBoard::Started(locker.boot_number()));
    let mut busy = 0;
    loop {
        let packet = line.poll();
        let now = timer.uptime();
        let due = locker.poll_timeout(now) <= now;
        if packet.is_none() && !due {
            continue;
        }
        let start = timer.ticks();
        locker.hardware().set_now(now);
        let direct = packet.and_then(|packet| handle(&mut locker, packet, now));
        locker.tick(now);
        busy += timer.ticks() - start;
        while let Some(latch) = locker.hardware().latches.pop_front() {
            line.send(&latch);
        }
        match direct {
            Some(Direct::Answer(answer)) => line.send(&answer),
            Some(Direct::Measures) => {
                let marks = heap::marks();
                line.send(&FromBoard::Measures(Measures {
                    busy_ticks: core::mem::take(&mut busy),
                    allocations: marks.allocations,
                    heap: marks.used as u32,
                    heap_peak: marks.peak as u32,
                    stack_peak: stack::peak() as u32,
                }));
                heap::reset_marks();
            }
            None => {}
        }
        while let Some(output) = locker.poll_output() {
            if let Some(packet) = translate(output) {
                line.send(&packet);
            }
        }
    }
}

/// The line and what has come of the packet under way.
struct Line {
    uart: Uart,
    deframer: Deframer,
}

impl Line {
    fn poll(&mut self) -> Option<ToBoard> {
        while let Some(byte) = self.uart.read() {
            if let Some(packet) = self.deframer.push(byte) {
                return ToBoard::decode(&packet);
            }
        }
        None
    }

    fn send(&mut self, packet: &FromBoard) {
        self.uart.write(&packet.encode());
    }
}

/// What a packet is answered with at once.
enum Direct {
    Answer(FromBoard),
    Measures,
}

fn start(provision: Provision, timer: &mut Timer) -> Result<Box<Locker<Cabinet>>, u8> {
    let cabinet = Cabinet::new(&provision);
    let mut config = Config::new(provision.doors);
    config.connections = provision.connections.into();
    config.remembered_tokens = provision.remembered_tokens.into();
    config.provisioned_at = provision.provisioned_at;
    Locker::boot(config, provision.keys, cabinet, timer.uptime()).map(Box::new).map_err(|(error, _)| {
        match error {
            BootError::Config(_) => 1,
            BootError::FlashTooSmall { .. } => 2,
            BootError::JournalDamaged => 3,
            BootError::Flash(_) => 4,
            BootError::UnknownRecord { .. } => 5,
        }
    })
}

fn handle(locker: &mut Locker<Cabinet>, packet: ToBoard, now: Uptime) -> Option<Direct> {
    match packet {
        // Only once: the secrets of a running locker are not replaced over the line.
        ToBoard::Provision(_) => {}
        ToBoard::Connect(connection, max_frame) => locker.connected(connection, max_frame.into(), now),
        ToBoard::Subscribe(connection) => locker.subscribed(connection, now),
        ToBoard::Read(connection) => {
            let frame = locker.read_hello(connection, now);
            return Some(Direct::Answer(FromBoard::Read(connection, frame)));
        }
        ToBoard::Write(connection, frame) => locker.received(connection, &frame, now),
        ToBoard::Disconnect(connection) => locker.disconnected(connection, now),
        ToBoard::FrameSize(connection, max_frame) => locker.frame_size_changed(connection, max_frame.into()),
        ToBoard::Sensors(door, sensors) => locker.hardware().set_sensors(door, sensors),
        ToBoard::Clock(time) => locker.hardware().set_clock(time),
        ToBoard::Battery(low) => locker.hardware().set_battery(low),
        ToBoard::Pin(digits) => locker.pin_entered(&digits, now),
        ToBoard::Scan(text) => locker.scanned(&text, now),
        ToBoard::PowerCut { step, bytes } => locker.hardware().flash.cut_power(step, bytes),
        ToBoard::Measure => return Some(Direct::Measures),
    }
    None
}

fn translate(output: Output) -> Option<FromBoard> {
    Some(match output {
        Output::Send { connection, frame } => FromBoard::Send(connection, frame),
        Output::Disconnect { connection } => FromBoard::Disconnect(connection),
        Output::Advertise(advertisement) => FromBoard::Advertise(advertisement.encode()),
        Output::Local(answer) => FromBoard::Local(answer),
        Output::Notice(_) => return None,
    })
}

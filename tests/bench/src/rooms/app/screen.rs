//! What is painted on the stage's display, seen from outside: whoever paints does not know that it is watched.

use std::{
    collections::BTreeMap,
    fs::File,
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

/// Where a window of 1040 by 760 appears on a display without a window manager.
const WIDTH: usize = 1040;
const HEIGHT: usize = 760;
/// Bytes of a pixel.
const PIXEL: usize = 4;
/// Every so manyth row is looked at, so that looking costs next to nothing.
const ROWS: usize = 4;
/// Nothing moved for so long: what is there is all that comes.
const STILL: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(4);

/// The memory that Xvfb paints into.
pub(super) struct Screen {
    file: File,
    /// Of the first pixel.
    start: usize,
    /// Bytes of a row.
    stride: usize,
}

type Pixel = [u8; PIXEL];

/// Letters, icons and lines: the pixels that are not of the colour of most, by their places.
#[derive(Debug, Default)]
pub(super) struct Picture(Vec<(usize, Pixel)>);

impl Screen {
    /// Opens what `Xvfb -fbdir` writes: an X window dump, integers big endian.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let number = |at: u64| -> Result<usize> {
            let mut bytes = [0; 4];
            file.read_exact_at(&mut bytes, at * 4)?;
            Ok(usize::try_from(u32::from_be_bytes(bytes))?)
        };
        let (header, bits, stride, colours) = (number(0)?, number(11)?, number(12)?, number(19)?);
        ensure!(bits == 8 * PIXEL, "a display of {bits} bits a pixel");
        Ok(Self { start: header + colours * 12, stride, file })
    }

    /// The pixels that are looked at.
    fn look(&self) -> Result<Vec<Pixel>> {
        let mut pixels = Vec::with_capacity(WIDTH * HEIGHT / ROWS);
        let mut row = vec![0; WIDTH * PIXEL];
        for y in (0..HEIGHT).step_by(ROWS) {
            self.file.read_exact_at(&mut row, u64::try_from(self.start + y * self.stride)?)?;
            pixels.extend(row.as_chunks::<PIXEL>().0);
        }
        Ok(pixels)
    }

    /// What stands there once nothing moves any more and there is a window.
    pub(super) fn settled(&self) -> Result<Picture> {
        let deadline = Instant::now() + PATIENCE;
        let (mut seen, mut since) = (self.look()?, Instant::now());
        loop {
            ensure!(Instant::now() < deadline, "the picture never comes to rest");
            std::thread::park_timeout(LOOK * 10);
            let now = self.look()?;
            if now != seen {
                (seen, since) = (now, Instant::now());
            } else if since.elapsed() >= STILL {
                let picture = Picture::of(&seen);
                if !picture.0.is_empty() {
                    return Ok(picture);
                }
            }
        }
    }

    /// Waits until this is painted (`true`), or no more (`false`).
    pub(super) fn wait_for(&self, wanted: &Picture, painted: bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while wanted.is_painted(&self.look()?) != painted {
            ensure!(
                Instant::now() < deadline,
                "waited in vain for a picture to {}",
                if painted { "come" } else { "go" }
            );
            std::thread::park_timeout(LOOK);
        }
        Ok(())
    }
}

impl Picture {
    fn of(pixels: &[Pixel]) -> Self {
        let mut counts = BTreeMap::<Pixel, usize>::new();
        for pixel in pixels {
            *counts.entry(*pixel).or_default() += 1;
        }
        let paper = counts.into_iter().max_by_key(|(_, count)| *count).map_or([0; PIXEL], |(pixel, _)| pixel);
        Self(pixels.iter().copied().enumerate().filter(|(_, pixel)| *pixel != paper).collect())
    }

    /// Nineteen in twenty of its letters, icons and lines are there.
    fn is_painted(&self, on: &[Pixel]) -> bool {
        let there = self.0.iter().filter(|(at, pixel)| on.get(*at) == Some(pixel)).count();
        there * 20 >= self.0.len() * 19
    }
}

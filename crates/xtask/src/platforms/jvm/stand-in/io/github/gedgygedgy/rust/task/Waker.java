package io.github.gedgygedgy.rust.task;

import java.io.Closeable;

/** Wakes nobody: who polls in a test looks again by itself. */
public final class Waker implements Closeable {
    public void wake() {}

    @Override
    public void close() {}
}

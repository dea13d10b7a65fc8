package com.nonpolynomial.btleplug.android.impl;

import android.bluetooth.BluetoothAdapter;
import android.bluetooth.BluetoothDevice;
import android.bluetooth.BluetoothGatt;
import android.bluetooth.le.ScanCallback;
import android.bluetooth.le.ScanSettings;
import android.os.SystemClock;
import io.github.gedgygedgy.rust.future.Future;
import io.github.gedgygedgy.rust.future.FutureException;
import io.github.gedgygedgy.rust.task.PollResult;
import io.github.gedgygedgy.rust.task.Waker;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** btleplug's Java half as it is built into the app: with its own lines and with those of `btleplug.patch`. */
public final class LinkTests {
    private static final int FAILED = 133;

    /** Its native half. */
    private static final class Heard extends Adapter {
        final List<Boolean> connections = new ArrayList<>();

        @Override
        public void onConnectionStateChanged(String address, boolean connected) {
            connections.add(connected);
        }
    }

    private final Heard heard = new Heard();
    private final BluetoothDevice device = new BluetoothDevice();
    private final Peripheral peripheral;

    private LinkTests() {
        BluetoothAdapter.phone = new BluetoothAdapter();
        BluetoothAdapter.phone.device = device;
        SystemClock.now = 0;
        peripheral = new Peripheral(heard, "11:22:33:44:55:66");
    }

    private BluetoothGatt gatt(int index) {
        return device.gatts.get(index);
    }

    private BluetoothGatt connected() {
        Future<Void> future = peripheral.connect();
        BluetoothGatt gatt = gatt(device.gatts.size() - 1);
        gatt.tell(BluetoothGatt.GATT_SUCCESS, BluetoothGatt.STATE_CONNECTED);
        check(done(future) == null, "it connects");
        return gatt;
    }

    /** None: it succeeded. */
    private static Throwable done(Future<Void> future) {
        PollResult<Void> result = future.poll(new Waker());
        check(result != null, "the command has ended");
        try {
            result.get();
            return null;
        } catch (FutureException failure) {
            return failure.getCause();
        }
    }

    private static boolean waits(Future<Void> future) {
        return future.poll(new Waker()) == null;
    }

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    private void lostLinkIsClosed() {
        BluetoothGatt first = connected();
        first.tell(8, BluetoothGatt.STATE_DISCONNECTED);
        check(first.closed, "a link that was lost is closed");
        check(heard.connections.equals(Arrays.asList(true, false)), "and told");
        check(done(peripheral.disconnect()) == null, "who disconnects afterwards finds that done");
        BluetoothGatt second = connected();
        check(second != first, "the next link is a new one");
    }

    private void endedLinkIsClosedOnce() {
        BluetoothGatt gatt = connected();
        Future<Void> future = peripheral.disconnect();
        gatt.tell(BluetoothGatt.GATT_SUCCESS, BluetoothGatt.STATE_DISCONNECTED);
        check(done(future) == null && gatt.closed, "a link that we end is closed");
    }

    private void badEndIsClosed() {
        BluetoothGatt gatt = connected();
        Future<Void> future = peripheral.disconnect();
        gatt.tell(FAILED, BluetoothGatt.STATE_DISCONNECTED);
        check(done(future) != null && gatt.closed, "also where the phone finds fault with it");
        connected();
    }

    private void slowConnectIsGivenUp() {
        Future<Void> connecting = peripheral.connect();
        BluetoothGatt gatt = gatt(0);
        check(waits(connecting), "nobody is there");
        Future<Void> future = peripheral.disconnect();
        check(done(connecting) instanceof NotConnectedException, "the connect has ended");
        check(done(future) == null, "and nobody waits behind it");
        check(gatt.disconnected && gatt.closed, "what was begun is taken back");
        connected();
    }

    private void retryThatWasGivenUpConnectsNobody() throws InterruptedException {
        Future<Void> connecting = peripheral.connect();
        gatt(0).tell(FAILED, BluetoothGatt.STATE_DISCONNECTED);
        check(waits(connecting), "it is tried again soon");
        check(done(peripheral.disconnect()) == null, "but not for who has given up");
        check(done(connecting) instanceof NotConnectedException, "the connect has ended");
        // The retry comes 200 ms later, on a thread of its own.
        Thread.sleep(600);
        check(device.gatts.size() == 1, "no link that nobody asked for");
        connected();
    }

    private void failedConnectIsClosed() {
        Future<Void> connecting = peripheral.connect();
        SystemClock.now = 60_000;
        gatt(0).tell(FAILED, BluetoothGatt.STATE_DISCONNECTED);
        check(done(connecting) instanceof NotConnectedException && gatt(0).closed, "closed, and told");
        connected();
    }

    private void scansAsTheAppWants() {
        ScanFilter filter = new ScanFilter(new String[] {"0000fe59-0000-1000-8000-00805f9b34fb"});
        List<Integer> failures = new ArrayList<>();
        ScanOptions.failureListener = failures::add;
        ScanOptions.mode = ScanSettings.SCAN_MODE_LOW_LATENCY;
        heard.startScan(filter);
        ScanOptions.mode = ScanSettings.SCAN_MODE_LOW_POWER;
        heard.startScan(filter);
        List<ScanSettings> started = BluetoothAdapter.phone.scanner.started;
        check(started.get(0).mode == 2 && started.get(1).mode == 0, "in the mode of the moment");
        BluetoothAdapter.phone.scanner.callback.onScanFailed(ScanCallback.SCAN_FAILED_SCANNING_TOO_FREQUENTLY);
        check(failures.equals(Arrays.asList(6)), "a refusal is told");
        ScanOptions.failureListener = null;
        BluetoothAdapter.phone.scanner.callback.onScanFailed(6);
    }

    private interface Test {
        void run(LinkTests tests) throws Exception;
    }

    /** By name. */
    public static Map<String, Runnable> all() {
        Map<String, Test> tests = new LinkedHashMap<>();
        tests.put("a link that is lost is closed, and the next is a new one", LinkTests::lostLinkIsClosed);
        tests.put("a link that we end is closed once", LinkTests::endedLinkIsClosedOnce);
        tests.put("a link that ends badly is closed", LinkTests::badEndIsClosed);
        tests.put("a connect that takes long is given up", LinkTests::slowConnectIsGivenUp);
        tests.put("a retry that was given up connects nobody", LinkTests::retryThatWasGivenUpConnectsNobody);
        tests.put("a connect that fails is closed", LinkTests::failedConnectIsClosed);
        tests.put("scans begin in the mode that the app wants, and tell when they are refused", LinkTests::scansAsTheAppWants);
        Map<String, Runnable> runnable = new LinkedHashMap<>();
        tests.forEach((name, test) -> runnable.put(name, () -> {
            try {
                test.run(new LinkTests());
            } catch (RuntimeException | Error failure) {
                throw failure;
            } catch (Exception failure) {
                throw new AssertionError(failure);
            }
        }));
        return runnable;
    }
}

#!/bin/sh
# A stand-in for adb and a phone behind it, with what Android's documentation and sources say that they write. @KIND@ says what is
# wrong with the app on it: none, crash, dead, scans, links, reminders, slow.
kind=@KIND@
log=@LOG@
[ "$1" = -s ] && { [ "$2" = R58M123ABC ] || exit 1; shift 2; }
echo "$*" >> "$log"
case $* in
  "devices -l")
    printf 'List of devices attached\n'
    printf 'R58M123ABC             device usb:1-1 product:a52 model:SM_A525F device:a52q transport_id:1\n\n'
    ;;
  "shell getprop ro.product.manufacturer") echo samsung ;;
  "shell getprop ro.product.model") echo SM-A525F ;;
  "shell getprop ro.build.version.release") echo 14 ;;
  "shell getprop ro.build.version.sdk") echo 34 ;;
  "shell dumpsys webviewupdate")
    printf 'Current WebView Update Service state\n'
    printf '  Current WebView package (name, version): (com.google.android.webview, 131.0.6778.200)\n'
    ;;
  "install -r "*) printf 'Performing Streamed Install\nSuccess\n' ;;
  "logcat -b all -c" | "logcat -b main,system -c" | "shell am force-stop app.postern" | "shell am kill app.postern") ;;
  "shell am start -n app.postern/.MainActivity") echo 'Starting: Intent { cmp=app.postern/.MainActivity }' ;;
  "shell am start -W -n app.postern/.MainActivity")
    time=812
    [ "$kind" = slow ] && time=4100
    printf 'Starting: Intent { cmp=app.postern/.MainActivity }\nStatus: ok\nLaunchState: COLD\n'
    printf 'Activity: app.postern/.MainActivity\nTotalTime: %s\nWaitTime: 830\nComplete\n' "$time"
    ;;
  "shell pidof -s app.postern || true") [ "$kind" = dead ] || echo 12345 ;;
  "shell pidof app.postern || true") ;;
  "logcat -d -b crash" | "logcat -d -s AndroidRuntime:E")
    echo '--------- beginning of crash'
    printf '11-30 12:00:00.000  9 9 E AndroidRuntime: Process: com.example.other, PID: 9\n'
    [ "$kind" = crash ] && {
      printf '11-30 12:00:01.000 12345 12345 E AndroidRuntime: FATAL EXCEPTION: main\n'
      printf '11-30 12:00:01.000 12345 12345 E AndroidRuntime: Process: app.postern, PID: 12345\n'
      printf '11-30 12:00:01.000 12345 12345 E AndroidRuntime: java.lang.NoClassDefFoundError: app.postern.Native\n'
    }
    ;;
  "logcat -d")
    printf '11-30 12:00:02.000 12345 12399 D BluetoothLeScanner: Start Scan with callback\n'
    [ "$kind" = scans ] && printf '11-30 12:00:03.000 1002 1100 E BtGatt.GattService: App app.postern is scanning too frequently\n'
    ;;
  "shell dumpsys bluetooth_manager")
    printf 'Bluetooth Status\n  enabled: true\nRegistered App\n  Client:\n'
    printf '    app_if: 7, appName: com.example.other\n    app_if: 8, appName: app.postern\n'
    [ "$kind" = links ] && printf '    app_if: 9, appName: app.postern\n'
    printf '  Server:\nGATT Client Map\n  Entries: 2\n  app.postern\nGATT Server Map\n  Entries: 0\n'
    ;;
  "shell dumpsys alarm")
    printf 'Current Alarm Manager state:\n  Pending alarm batches: 3\n'
    [ "$kind" = reminders ] || printf '    tag=*walarm*:app.postern/app.tauri.notification.TimedNotificationPublisher\n'
    printf '  Removal history:\n    #0: tag=*walarm*:app.postern/app.tauri.notification.TimedNotificationPublisher\n'
    printf '  Alarm Stats:\n    app.postern +5ms running, 1 wakeups:\n'
    printf '      *walarm*:app.postern/app.tauri.notification.TimedNotificationPublisher\n'
    ;;
  *)
    echo "adb: what is $*?" >&2
    exit 1
    ;;
esac
exit 0

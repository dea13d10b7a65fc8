package androidx.activity;

import android.content.Intent;
import android.content.res.Configuration;
import android.os.Bundle;
import android.view.View;
import android.view.Window;
import androidx.lifecycle.LifecycleOwner;

public class ComponentActivity extends android.content.Context implements LifecycleOwner {
    protected void onCreate(Bundle savedInstanceState) {}

    protected void onResume() {}

    protected void onPause() {}

    protected void onDestroy() {}

    protected void onNewIntent(Intent intent) {}

    public void setIntent(Intent intent) {}

    public Intent getIntent() {
        throw new UnsupportedOperationException();
    }

    public void onConfigurationChanged(Configuration newConfig) {}

    public boolean moveTaskToBack(boolean nonRoot) {
        throw new UnsupportedOperationException();
    }

    public Window getWindow() {
        throw new UnsupportedOperationException();
    }

    public View findViewById(int id) {
        throw new UnsupportedOperationException();
    }

    public final void runOnUiThread(Runnable action) {}

    public boolean shouldShowRequestPermissionRationale(String permission) {
        throw new UnsupportedOperationException();
    }

    public void setRecentsScreenshotEnabled(boolean enabled) {}

    public final OnBackPressedDispatcher getOnBackPressedDispatcher() {
        throw new UnsupportedOperationException();
    }
}

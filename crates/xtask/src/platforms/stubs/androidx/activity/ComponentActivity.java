package androidx.activity;

import android.content.res.Configuration;
import android.os.Bundle;
import androidx.lifecycle.LifecycleOwner;

public class ComponentActivity extends android.content.Context implements LifecycleOwner {
    protected void onCreate(Bundle savedInstanceState) {}

    public void onConfigurationChanged(Configuration newConfig) {}

    public boolean moveTaskToBack(boolean nonRoot) {
        throw new UnsupportedOperationException();
    }

    public final OnBackPressedDispatcher getOnBackPressedDispatcher() {
        throw new UnsupportedOperationException();
    }
}

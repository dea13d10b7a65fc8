package androidx.activity;

import android.os.Bundle;

public class ComponentActivity extends android.content.Context {
    protected void onCreate(Bundle savedInstanceState) {}
}

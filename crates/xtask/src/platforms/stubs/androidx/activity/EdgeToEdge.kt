package androidx.activity

fun ComponentActivity.enableEdgeToEdge() {}

import { tauriBridge } from './lib/bridge/tauri';
import { mountApp } from './mount';

void mountApp(tauriBridge);

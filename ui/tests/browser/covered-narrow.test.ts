import { nothingCovers } from './covered';

nothingCovers((edge) => edge.width < 900, 1);

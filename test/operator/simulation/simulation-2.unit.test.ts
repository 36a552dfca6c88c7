import { simulate } from "./simulate.ts";

simulate(1001, 1000);

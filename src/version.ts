/** The version of this program, from package.json alone. */
import manifest from "../package.json" with { type: "json" };

/** As in `0.1.0`; see https://semver.org. */
export const VERSION = manifest.version;

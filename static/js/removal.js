/* Tells the form which device of a shared link asks, so that this device alone reads the answer. */

import { deviceSecret } from "./upload/local_storage.js";

const field = document.querySelector("input[name=device]");
if (field) field.value = deviceSecret();

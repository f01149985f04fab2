export { HelicorderError, ERRORS, type ErrorCode } from './base/errors.ts';

//! The guide for those who come from MSAL Python: no name of MSAL is missing in it, and every name of ours exists.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const GUIDE: &str = include_str!("../MIGRATING.md");

/// What MSAL Python 1.39 and MSAL Extensions 1.3 export, with the arguments of their public methods and what is in their results.
const NAMES: &str = "
    ClientApplication PublicClientApplication ConfidentialClientApplication ManagedIdentityClient SystemAssignedManagedIdentity
    UserAssignedManagedIdentity ManagedIdentityError ArcPlatformNotSupportedError BrowserInteractionTimeoutError IdTokenError
    MsalError MsalServiceError RedirectUriError TokenTypeError TokenCache SerializableTokenCache PopAuthScheme Prompt AutoRefresher
    AuthorityBuilder ATTEMPT_REGION_DISCOVERY DISABLE_MSAL_FORCE_REGION CONSOLE_WINDOW_HANDLE AZURE_PUBLIC AZURE_CHINA
    AZURE_US_GOVERNMENT decode_part decode_id_token extract_certs

    client_id client_credential authority validate_authority token_cache http_client verify proxies timeout client_claims app_name
    app_version client_capabilities azure_region exclude_scopes http_cache instance_discovery allow_broker enable_pii_log
    oidc_authority enable_broker_on_windows enable_broker_on_mac enable_broker_on_linux enable_broker_on_wsl private_key
    thumbprint public_certificate passphrase private_key_pfx_path client_assertion

    acquire_token_for_client remove_tokens_for_client acquire_token_on_behalf_of acquire_token_silent acquire_token_silent_with_error
    acquire_token_by_user_federated_identity_credential acquire_token_interactive initiate_device_flow acquire_token_by_device_flow
    initiate_auth_code_flow acquire_token_by_auth_code_flow get_authorization_request_url acquire_token_by_authorization_code
    acquire_token_by_refresh_token acquire_token_by_username_password get_accounts remove_account is_pop_supported

    scopes account force_refresh claims_challenge forwarded_client_claims fmi_path auth_scheme data redirect_uri state nonce prompt
    login_hint domain_hint max_age response_mode extra_scopes_to_consent port on_before_launching_ui auth_uri_callback
    auth_code_receiver welcome_template success_template error_template user_assertion code refresh_token username password
    auth_code_flow auth_response flow exit_condition parent_window_handle enable_msa_passthrough user_object_id resource object_id
    resource_id

    access_token token_type expires_in refresh_on token_source scope id_token_claims id_token client_info foci ext_expires_in error
    error_description error_codes suberror classification claims correlation_id trace_id error_uri timestamp error_additional_info
    auth_uri user_code verification_uri message interval home_account_id environment realm local_account_id authority_type
    account_source

    serialize deserialize has_state_changed PersistedTokenCache FilePersistence build_encrypted_persistence LibsecretPersistence
    FilePersistenceWithDataProtection KeychainPersistence CrossPlatLock PersistenceNotFound PersistenceEncryptionError
    PersistenceDecryptionError
";

/// Words between backticks in the right column that are no names of this library.
const NOT_OURS: [&str; 13] = [
    "None",
    "True",
    "False",
    "scopes",
    "state",
    "username",
    "user_object_id",
    "form_post",
    "keyring",
    "WWW-Authenticate",
    "https://login.microsoftonline.us/contoso",
    "flow[\"expires_at\"] = 0",
    "sansal::http::challenge",
];

#[test]
fn no_name_of_msal_is_missing() {
    let left: String = rows().map(|(left, _)| left + "\n").collect();
    let words: BTreeSet<&str> = words(&left).collect();
    let missing: Vec<&str> = NAMES.split_whitespace().filter(|name| !words.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// A method or variant is looked for in the files that say something of its type.
#[test]
fn every_name_of_ours_exists() {
    let mut files = Vec::new();
    for folder in ["src", "../../core/src"] {
        read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut files);
    }
    let files: Vec<(BTreeSet<&str>, BTreeSet<&str>)> =
        files.iter().map(|source| (declarations(source).collect(), implemented(source).collect())).collect();
    let exists = |name: &str| match name.rsplit_once("::") {
        Some((of, name)) => files.iter().any(|(declared, types)| types.contains(of) && declared.contains(name)),
        None => files.iter().any(|(declared, _)| declared.contains(name)),
    };
    let right: Vec<String> = rows().map(|(_, right)| right).collect();
    let quoted = right.iter().flat_map(|right| right.split('`').skip(1).step_by(2));
    let names: Vec<&str> = quoted.filter(|quoted| !NOT_OURS.contains(quoted)).collect();
    let unknown: Vec<&&str> = names.iter().filter(|name| !exists(name)).collect();
    assert!(unknown.is_empty() && names.len() > 150, "{unknown:?} of {}", names.len());
}

/// Left and right of each row of each table.
fn rows() -> impl Iterator<Item = (String, String)> {
    let tables = GUIDE.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    tables.map(|line| line.split_once(" | ").unwrap()).map(|(left, right)| (left.to_owned(), right.to_owned()))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// The types that a file declares or implements something for.
fn implemented(source: &str) -> impl Iterator<Item = &str> {
    let heads =
        source.lines().filter(|line| ["pub enum ", "pub struct ", "impl"].iter().any(|head| line.starts_with(head)));
    heads.flat_map(words)
}

/// Whatever is declared: functions, types, fields, variants, modules.
fn declarations(source: &str) -> impl Iterator<Item = &str> {
    source.lines().map(str::trim_start).filter(|line| !line.starts_with("//")).filter_map(|line| {
        let rest = line.strip_prefix("pub ").unwrap_or(line);
        let keywords = ["async ", "const ", "fn ", "struct ", "enum ", "trait ", "mod "];
        let named = keywords.iter().fold(rest, |rest, keyword| rest.strip_prefix(keyword).unwrap_or(rest));
        let is_declared = named.len() < rest.len() || rest.len() < line.len() || line.starts_with(char::is_uppercase);
        words(named).next().filter(|_| is_declared)
    })
}

fn read(folder: &Path, into: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(fs::read_to_string(&path).unwrap());
        }
    }
}

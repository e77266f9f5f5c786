/**
 * Tokens of clouds, infrastructure and identity providers: name, format (vendor_tokens.ts explains the notation).
 * A source names the published rule that the row was held against.
 */
export const cloud = `
aws_access_key_id          AKIA{u16}                                   gitleaks:aws-access-token
aws_temporary_key_id       ASIA{u16}                                   gitleaks:aws-access-token
aws_bearer_key_id          ABIA{u16}                                   gitleaks:aws-access-token
aws_context_key_id         ACCA{u16}                                   gitleaks:aws-access-token
aws_legacy_key_id          A3T{u17}                                    gitleaks:aws-access-token
aws_group_id               AGPA{u16}                                   noseyparker:aws.1
aws_role_id                AROA{u16}                                   noseyparker:aws.1
aws_user_id                AIDA{u16}                                   noseyparker:aws.1
aws_instance_profile_id    AIPA{u16}                                   noseyparker:aws.1
aws_managed_policy_id      ANPA{u16}                                   noseyparker:aws.1
aws_policy_version_id      ANVA{u16}                                   noseyparker:aws.1
aws_certificate_id         ASCA{u16}                                   trufflehog:aws
aws_bedrock_key            ABSK{b109-269}                              gitleaks:aws-amazon-bedrock-api-key-long-lived
aws_bedrock_short_key      bedrock-api-key-{b20-2000}                  gitleaks:aws-amazon-bedrock-api-key-short-lived
aws_mws_token              amzn.mws.{h8}-{h4}-{h4}-{h4}-{h12}          noseyparker:aws.5
amazon_oauth_client_secret amzn1.oa2-cs.v1.{h64}                       seen:public-code
gcp_api_key                AIza{t35}                                   gitleaks:gcp-api-key
gcp_oauth_token            ya29.{t20-2000}                             trufflehog:googleoauth2
gcp_oauth_client_secret    GOCSPX-{t28}                                noseyparker:google.2
gcp_refresh_token          1//0{t30-120}                               trufflehog:gcpapplicationdefaultcredentials
gcp_hmac_key               GOOG1E{u57}
gcp_hmac_short_key         GOOG{u20}
firebase_fcm_key           AAAA{t7}:{t140}                             titus:np.firebase.1
alibaba_access_key_id      LTAI{a12-20}                                trufflehog:alibaba
tencent_secret_id          AKID{a32}                                   seen:public-code
digitalocean_pat           dop_v1_{h64}                                gitleaks:digitalocean-pat
digitalocean_oauth         doo_v1_{h64}                                gitleaks:digitalocean-access-token
digitalocean_refresh       dor_v1_{h64}                                gitleaks:digitalocean-refresh-token
digitalocean_spaces_key    DO00{u16}                                   seen:public-code
heroku_api_key             HRKU-{t36-64}                               trufflehog:heroku
flyio_token                fo1_{t43}                                   gitleaks:flyio-access-token
flyio_macaroon             fm1_{b100-2000}
flyio_macaroon_v2          fm2_{b100-2000}                             gitleaks:flyio-access-token
vault_service_token        hvs.{t24-200}                               noseyparker:hashicorp.4
vault_batch_token          hvb.{t24-500}                               titus:np.hashicorp.5
vault_recovery_token       hvr.{t24-200}                               noseyparker:hashicorp.6
vault_legacy_token         s.{a24}                                     trufflehog:hashicorpvault
terraform_cloud_token      atlasv1.{x60-70}                            gitleaks:hashicorp-tf-api-token
doppler_personal_token     dp.pt.{a40-44}                              trufflehog:doppler
doppler_service_token      dp.st.{l2-40}.{a40-44}                      trufflehog:doppler
doppler_cli_token          dp.ct.{a40-44}                              trufflehog:doppler
doppler_scim_token         dp.scim.{a40-44}                            trufflehog:doppler
doppler_audit_token        dp.audit.{a40-44}                           trufflehog:doppler
doppler_service_account    dp.sa.{a40-44}                              trufflehog:doppler
infisical_token            st.{h8-36}.{h16-40}.{h16-40}
pulumi_token               pul-{h40}                                   gitleaks:pulumi-api-token
scalingo_token             tk-us-{t48}                                 gitleaks:scalingo-api-token
scaleway_access_key        SCW{u17}
cloudflare_origin_ca_key   v1.0-{h24}-{h146}                           gitleaks:cloudflare-origin-ca-key
cloudflare_api_token       cfut_{t40-60}                               trufflehog:cloudflareapitoken
cloudflare_account_token   cfat_{t40-60}                               trufflehog:cloudflareapitoken
tailscale_key              tskey-auth-{a8-24}-{a20-40}                 trufflehog:tailscale
tailscale_api_key          tskey-api-{t20-80}                          betterleaks:tailscale-api-key
tailscale_client_key       tskey-client-{a8-24}-{a20-40}               trufflehog:tailscale
tailscale_scim_key         tskey-scim-{a8-24}-{a20-40}                 trufflehog:tailscale
tailscale_webhook_key      tskey-webhook-{a8-24}-{a20-40}              trufflehog:tailscale
okta_api_token             00{t40}                                     gitleaks:okta-access-token
onepassword_secret_key     A3-{u6}-{u5-11}-{u5-6}-{u5}-{u5}            gitleaks:1password-secret-key
onepassword_service_token  ops_eyJ{b200-1000}                          gitleaks:1password-service-account-token
bitwarden_machine_token    0.{h8}-{h4}-{h4}-{h4}-{h12}.{a30}:{b24-44}
ory_api_key                ory_pat_{a32}                               seen:public-code
ory_access_token           ory_at_{t20-120}
ory_refresh_token          ory_rt_{t20-120}
stytch_secret              secret-live-{t35-36}=                       trufflehog:stytch
stytch_test_secret         secret-test-{t35-36}=                       trufflehog:stytch
planetscale_password       pscale_pw_{j32-64}                          gitleaks:planetscale-password
planetscale_token          pscale_tkn_{j32-64}                         gitleaks:planetscale-api-token
planetscale_oauth          pscale_oauth_{j32-64}                       gitleaks:planetscale-oauth-token
neon_api_key               napi_{l64}                                  betterleaks:neon-api-key
supabase_token             sbp_{l40}                                   trufflehog:supabasetoken
supabase_oauth_token       sbp_oauth_{h40}                             seen:public-code
supabase_secret_key        sb_secret_{t20-50}                          seen:public-code
databricks_token           dapi{h32}                                   gitleaks:databricks-api-token
databricks_numbered_token  dapi{h32}-{d1}                              gitleaks:databricks-api-token
snowflake_pat              ver:1-hint:{d1-12}-ETMsDgAAAX{b40-400}      seen:public-code
mongodb_atlas_key          mdb_sa_sk_{t40}                             kingfisher:mongodb.4
mongodb_atlas_id           mdb_sa_id_{h24}                             seen:public-code
prefect_key                pnu_{a36}                                   gitleaks:prefect-api-token
dynatrace_token            dt0c01.{u24}.{u64}                          gitleaks:dynatrace-api-token
dynatrace_oauth_secret     dt0s02.{u8-24}.{u64}                           seen:public-code
age_secret_key             AGE-SECRET-KEY-1{u58}                       noseyparker:age.2
age_plugin_key             AGE-PLUGIN-{u1-20}-1{u20-200}
render_api_key             rnd_{a20-40}                                seen:public-code
vercel_token               vcp_{a24-60}                                betterleaks:vercel
vercel_access_token        vca_{a24-60}                                betterleaks:vercel
vercel_blob_token          vercel_blob_rw_{a16-20}_{a20-40}            seen:public-code
netlify_token              nfp_{a36-40}                                trufflehog:netlify
netlify_oauth              nfo_{a36-40}                                gitleaks:netlify-access-token
netlify_cli_token          nfc_{a36-40}                                gitleaks:netlify-access-token
oracle_ocid_key            ocid1.credential.oc1..{l60}
yandex_api_key             AQVN{t35-38}                                gitleaks:yandex-api-key
yandex_iam_token           t1.{t60-250}.{t86}                          gitleaks:yandex-api-key
yandex_access_key          YCAJ{t21}                                   seen:public-code
yandex_secret_key          YCM{t37}                                    gitleaks:yandex-aws-access-token
yandex_oauth_token         y0_{t55-60}                                 seen:public-code
authress_service_key       sc_{l5-30}.{l4-6}.acc_{t10-32}.{b30-120}    gitleaks:authress-service-client-access-key
authress_ext_key           ext_{l5-30}.{l4-6}.acc_{t10-32}.{b30-120}   gitleaks:authress-service-client-access-key
authress_scauth_key        scauth_{l5-30}.{l4-6}.acc_{t10-32}.{b30-120} gitleaks:authress-service-client-access-key
infracost_api_token        ico-{a32}                                   gitleaks:infracost-api-token
adobe_client_secret        p8e-{l32}                                   gitleaks:adobe-client-secret
tailscale_secret_key       tskey-secret-{a6-24}-{a4-40}                trufflehog:tailscale
`
